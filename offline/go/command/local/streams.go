package local

import (
	"bytes"
	"strings"
	"sync"
)

// log is where the lines of a stream are shown, nil if nowhere.
func (l *Logging) log(stream Logging, log func(string)) func(string) {
	if l == nil || *l == LogStdoutAndStderr || *l == stream {
		return log
	}
	return nil
}

// transcript is both streams of a command, in the order in which it wrote.
type transcript struct {
	mutex sync.Mutex // each stream is copied by a goroutine of its own
	text  bytes.Buffer
}

// stream keeps what a command writes to one of its streams, and shows each line once it is whole, however long.
type stream struct {
	all   *transcript
	log   func(string)
	text  bytes.Buffer
	shown int // how much of the text has been
}

func (s *stream) Write(data []byte) (int, error) {
	s.all.mutex.Lock()
	defer s.all.mutex.Unlock()
	s.all.text.Write(data)
	s.text.Write(data)
	if s.log != nil {
		for {
			line, _, whole := bytes.Cut(s.text.Bytes()[s.shown:], []byte("\n"))
			if !whole {
				break
			}
			s.log(string(line))
			s.shown += len(line) + 1
		}
	}
	return len(data), nil
}

// end shows a last line without a newline, and is all that was written.
func (s *stream) end() string {
	if s.log != nil && s.shown < s.text.Len() {
		s.log(string(s.text.Bytes()[s.shown:]))
	}
	return strings.TrimSuffix(s.text.String(), "\n")
}
