package main

import (
	"bufio"
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
)

// CommonInputs say how a command is run.
type CommonInputs struct {
	Interpreter            *[]string          `pulumi:"interpreter,optional"` // /bin/sh -c
	Dir                    *string            `pulumi:"dir,optional"`
	Environment            *map[string]string `pulumi:"environment,optional"` // added to the provider's own
	Stdin                  *string            `pulumi:"stdin,optional"`
	Logging                *string            `pulumi:"logging,optional"` // stdout, stderr, stdoutAndStderr (as when absent), none
	AddPreviousOutputInEnv *bool              `pulumi:"addPreviousOutputInEnv,optional"`
	AssetPaths             *[]string          `pulumi:"assetPaths,optional"`
	ArchivePaths           *[]string          `pulumi:"archivePaths,optional"`
}

// Printed is what a command printed, without the last end of line.
type Printed struct {
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

// run runs a command to its end. A command that fails, fails the resource with all that it printed.
func (in CommonInputs) run(ctx context.Context, command string, before *Printed) (Printed, error) {
	argv := []string{"/bin/sh", "-c"}
	if in.Interpreter != nil && len(*in.Interpreter) > 0 {
		argv = *in.Interpreter
	}
	argv = append(append([]string{}, argv...), command)
	process := exec.CommandContext(ctx, argv[0], argv[1:]...)
	process.Env = in.environment(before)
	if in.Dir != nil {
		process.Dir = *in.Dir
	}
	if in.Stdin != nil {
		process.Stdin = strings.NewReader(*in.Stdin)
	}
	// A cancelled command takes with it whatever it started.
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	process.Cancel = func() error { return syscall.Kill(-process.Process.Pid, syscall.SIGTERM) }
	process.WaitDelay = 10 * time.Second

	var stdout, stderr, all bytes.Buffer
	both := &locked{to: &all}
	outLog, errLog := in.logs(ctx, "stdout"), in.logs(ctx, "stderr")
	process.Stdout = io.MultiWriter(&stdout, both, outLog)
	process.Stderr = io.MultiWriter(&stderr, both, errLog)
	err := process.Run()
	outLog.close()
	errLog.close()
	if err != nil {
		return Printed{}, fmt.Errorf("%w: running %q:\n%s", err, command, all.String())
	}
	return Printed{strings.TrimSuffix(stdout.String(), "\n"), strings.TrimSuffix(stderr.String(), "\n")}, nil
}

func (in CommonInputs) environment(before *Printed) []string {
	environment := os.Environ()
	if in.Environment != nil {
		for name, value := range *in.Environment {
			environment = append(environment, name+"="+value)
		}
	}
	if before != nil && (in.AddPreviousOutputInEnv == nil || *in.AddPreviousOutputInEnv) {
		environment = append(environment, "PULUMI_COMMAND_STDOUT="+before.Stdout, "PULUMI_COMMAND_STDERR="+before.Stderr)
	}
	return environment
}

// logs returns a writer that shows a stream to the user line by line, or drops it where `logging` says so.
func (in CommonInputs) logs(ctx context.Context, stream string) *lines {
	wanted := in.Logging == nil || *in.Logging == stream || *in.Logging == "stdoutAndStderr"
	reader, writer := io.Pipe()
	shown := &lines{PipeWriter: writer, done: make(chan struct{})}
	go func() {
		defer close(shown.done)
		scanner := bufio.NewReader(reader)
		for {
			line, err := scanner.ReadString('\n')
			if line = strings.TrimRight(line, "\n"); line != "" && wanted {
				provider.GetLogger(ctx).Info(line)
			}
			if err != nil {
				return
			}
		}
	}()
	return shown
}

type lines struct {
	*io.PipeWriter
	done chan struct{}
}

func (l *lines) close() {
	_ = l.PipeWriter.Close()
	<-l.done
}

// locked lets stdout and stderr of one command write into one buffer.
type locked struct {
	mutex sync.Mutex
	to    io.Writer
}

func (l *locked) Write(text []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.to.Write(text)
}
