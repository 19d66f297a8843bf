package local

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Execution is how a command is run; the same for the resource and the function.
type Execution struct {
	Interpreter            *[]string          `pulumi:"interpreter,optional"`
	Dir                    *string            `pulumi:"dir,optional"`
	Environment            *map[string]string `pulumi:"environment,optional"`
	Stdin                  *string            `pulumi:"stdin,optional"`
	Logging                *Logging           `pulumi:"logging,optional"`
	AddPreviousOutputInEnv *bool              `pulumi:"addPreviousOutputInEnv,optional"`
	AssetPaths             *[]string          `pulumi:"assetPaths,optional"`
	ArchivePaths           *[]string          `pulumi:"archivePaths,optional"`
}

// Output is what a command said, without the newline that ends it.
type Output struct {
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

// Logging is which of a command's streams are shown while it runs. Outputs and errors hold both all the same.
type Logging string

const (
	LogStdout          Logging = "stdout"
	LogStderr          Logging = "stderr"
	LogStdoutAndStderr Logging = "stdoutAndStderr" // also where nothing is said
	LogNone            Logging = "none"
)

// Values makes any other value an error.
func (Logging) Values() []infer.EnumValue[Logging] {
	return []infer.EnumValue[Logging]{
		{Name: "Stdout", Value: LogStdout},
		{Name: "Stderr", Value: LogStderr},
		{Name: "StdoutAndStderr", Value: LogStdoutAndStderr},
		{Name: "None", Value: LogNone},
	}
}

const leftOut = "this stand-in for the command provider collects no assets or archives: use the original provider"

// How long a cancelled command has to clean up after itself.
const grace = 5 * time.Second

// unsupported names the properties given that this stand-in leaves out.
func (e Execution) unsupported() []string {
	var found []string
	if e.AssetPaths != nil && len(*e.AssetPaths) > 0 {
		found = append(found, "assetPaths")
	}
	if e.ArchivePaths != nil && len(*e.ArchivePaths) > 0 {
		found = append(found, "archivePaths")
	}
	return found
}

// argv is the interpreter and the command.
func (e Execution) argv(command string) []string {
	interpreter := []string{"/bin/sh", "-c"}
	if e.Interpreter != nil && len(*e.Interpreter) > 0 {
		interpreter = *e.Interpreter
	}
	return append(append([]string{}, interpreter...), command)
}

// environ is the server's environment, what the last command said, and what the program gives; the later wins.
func (e Execution) environ(previous *Output) []string {
	environ := os.Environ()
	if previous != nil && (e.AddPreviousOutputInEnv == nil || *e.AddPreviousOutputInEnv) {
		environ = append(environ,
			"PULUMI_COMMAND_STDOUT="+previous.Stdout, "PULUMI_COMMAND_STDERR="+previous.Stderr)
	}
	if e.Environment != nil {
		for name, value := range *e.Environment {
			environ = append(environ, name+"="+value)
		}
	}
	return environ
}

// run runs a command to its end; no command says nothing. An error holds the command and all it said, in the order it
// said it, but neither its environment nor its stdin: that is where programs put secrets.
func run(ctx context.Context, command *string, how Execution, previous *Output) (Output, error) {
	if command == nil {
		return Output{}, nil
	}
	var stdout, stderr, both bytes.Buffer
	log := &lines{log: provider.GetLogger(ctx).InfoStatus}
	defer log.flush()
	argv := how.argv(*command)
	process := exec.CommandContext(ctx, argv[0], argv[1:]...)
	process.Env = how.environ(previous)
	if how.Dir != nil {
		process.Dir = *how.Dir
	}
	if how.Stdin != nil {
		process.Stdin = strings.NewReader(*how.Stdin)
	}
	var mutex sync.Mutex // exec copies each stream in a goroutine of its own
	process.Stdout = &locked{&mutex, how.Logging.shown(LogStdout, log, &stdout, &both)}
	process.Stderr = &locked{&mutex, how.Logging.shown(LogStderr, log, &stderr, &both)}
	if err := runGroup(ctx, process); err != nil {
		return Output{}, fmt.Errorf("%w: running %q:\n%s", err, *command, both.String())
	}
	return Output{strings.TrimSuffix(stdout.String(), "\n"), strings.TrimSuffix(stderr.String(), "\n")}, nil
}

// runGroup runs a process in a group of its own. When the stack's operation is cancelled the whole group is asked to
// end, and killed if it does not: what a shell started must not work on behind the back of the next run.
func runGroup(ctx context.Context, process *exec.Cmd) error {
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	process.Cancel = func() error { return syscall.Kill(-process.Process.Pid, syscall.SIGTERM) }
	process.WaitDelay = grace
	err := process.Run()
	if ctx.Err() != nil && process.Process != nil {
		_ = syscall.Kill(-process.Process.Pid, syscall.SIGKILL) // fails where all have ended
		return fmt.Errorf("cancelled: %w", ctx.Err())
	}
	return err
}

// shown is where a stream goes: always to the buffers, and to the log if that is wanted.
func (l *Logging) shown(stream Logging, log io.Writer, buffers ...io.Writer) io.Writer {
	if l == nil || *l == LogStdoutAndStderr || *l == stream {
		buffers = append(buffers, log)
	}
	return io.MultiWriter(buffers...)
}

// locked lets one writer at a time through.
type locked struct {
	mutex *sync.Mutex
	inner io.Writer
}

func (w *locked) Write(data []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.inner.Write(data)
}

// lines logs whole lines of any length.
type lines struct {
	log     func(string)
	pending []byte
}

func (w *lines) Write(data []byte) (int, error) {
	w.pending = append(w.pending, data...)
	for {
		line, rest, found := bytes.Cut(w.pending, []byte("\n"))
		if !found {
			return len(data), nil
		}
		w.log(string(line))
		w.pending = rest
	}
}

func (w *lines) flush() {
	if len(w.pending) > 0 {
		w.log(string(w.pending))
	}
}
