package local

import (
	"context"
	"fmt"

	"github.com/pulumi/pulumi-go-provider/infer"
)

// Run is a function that runs a command each time a program is evaluated, at preview as well.
type Run struct{}

// RunInputs are the arguments that a program gives.
type RunInputs struct {
	Execution

	Command string `pulumi:"command"`
}

// RunResult is the arguments and what the command said.
type RunResult struct {
	RunInputs
	Output
}

// Invoke runs the command.
func (Run) Invoke(
	ctx context.Context, request infer.FunctionRequest[RunInputs],
) (infer.FunctionResponse[RunResult], error) {
	for _, fault := range request.Input.faults() {
		return infer.FunctionResponse[RunResult]{}, fmt.Errorf("%s: %s", fault.Property, fault.Reason)
	}
	output, err := run(ctx, &request.Input.Command, request.Input.Execution, nil)
	return infer.FunctionResponse[RunResult]{Output: RunResult{request.Input, output}}, err
}
