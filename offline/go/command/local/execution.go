package local

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
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

var loggings = []Logging{LogStdout, LogStderr, LogStdoutAndStderr, LogNone}

// Values lists them in the schema; infer does not hold anybody to it.
func (Logging) Values() []infer.EnumValue[Logging] {
	values := make([]infer.EnumValue[Logging], len(loggings))
	for i, logging := range loggings {
		values[i] = infer.EnumValue[Logging]{Name: string(logging), Value: logging}
	}
	return values
}

const leftOut = "this stand-in for the command provider collects no assets or archives: use the original provider"

// How long a cancelled command has to clean up after itself.
const grace = 5 * time.Second

// faults are properties that this stand-in leaves out and values that nobody knows.
func (e Execution) faults() []provider.CheckFailure {
	var found []provider.CheckFailure
	if e.AssetPaths != nil && len(*e.AssetPaths) > 0 {
		found = append(found, provider.CheckFailure{Property: "assetPaths", Reason: leftOut})
	}
	if e.ArchivePaths != nil && len(*e.ArchivePaths) > 0 {
		found = append(found, provider.CheckFailure{Property: "archivePaths", Reason: leftOut})
	}
	if e.Logging != nil && !slices.Contains(loggings, *e.Logging) {
		reason := fmt.Sprintf("%q is none of %q", *e.Logging, loggings)
		found = append(found, provider.CheckFailure{Property: "logging", Reason: reason})
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
	argv := how.argv(*command)
	process := exec.CommandContext(ctx, argv[0], argv[1:]...)
	process.Env = how.environ(previous)
	if how.Dir != nil {
		if _, err := os.Stat(*how.Dir); err != nil {
			return Output{}, fmt.Errorf("%w: running %q", err, *command) // exec would blame the interpreter
		}
		process.Dir = *how.Dir
	}
	if how.Stdin != nil {
		process.Stdin = strings.NewReader(*how.Stdin)
	}
	var all transcript
	log := provider.GetLogger(ctx).InfoStatus
	stdout := stream{all: &all, log: how.Logging.log(LogStdout, log)}
	stderr := stream{all: &all, log: how.Logging.log(LogStderr, log)}
	process.Stdout, process.Stderr = &stdout, &stderr
	err := runGroup(ctx, process)
	output := Output{stdout.end(), stderr.end()}
	if err != nil {
		return Output{}, fmt.Errorf("%w: running %q:\n%s", err, *command, all.text.String())
	}
	return output, nil
}

// runGroup runs a process in a group of its own. When the stack's operation is cancelled the whole group is asked to
// end, and killed if it does not: what a shell started must not work on behind the back of the next run.
func runGroup(ctx context.Context, process *exec.Cmd) error {
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	process.Cancel = func() error { return syscall.Kill(-process.Process.Pid, syscall.SIGTERM) }
	process.WaitDelay = grace
	err := process.Run()
	if err != nil && ctx.Err() != nil && process.Process != nil {
		_ = syscall.Kill(-process.Process.Pid, syscall.SIGKILL) // fails where all have ended
		return fmt.Errorf("cancelled: %w", ctx.Err())
	}
	return err
}
