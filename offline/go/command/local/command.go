package local

import (
	"context"
	"crypto/rand"
	"encoding/hex"

	"github.com/pulumi/pulumi-go-provider/infer"
)

// Command is a resource whose creation, update and deletion are commands.
type Command struct{}

// CommandInputs are the properties that a program gives.
type CommandInputs struct {
	Execution

	Create   *string `pulumi:"create,optional"`
	Update   *string `pulumi:"update,optional"`
	Delete   *string `pulumi:"delete,optional"`
	Triggers *[]any  `pulumi:"triggers,optional"`
}

// CommandState is what the stack keeps: the inputs, which a later delete needs, and what the last command said.
type CommandState struct {
	CommandInputs
	Output
}

// Check refuses what cannot be done before anything runs.
func (Command) Check(ctx context.Context, request infer.CheckRequest) (infer.CheckResponse[CommandInputs], error) {
	inputs, failures, err := infer.DefaultCheck[CommandInputs](ctx, request.NewInputs)
	return infer.CheckResponse[CommandInputs]{Inputs: inputs, Failures: append(failures, inputs.faults()...)}, err
}

// Create runs `create`; a preview runs nothing.
func (Command) Create(
	ctx context.Context, request infer.CreateRequest[CommandInputs],
) (infer.CreateResponse[CommandState], error) {
	state := CommandState{CommandInputs: request.Inputs}
	if request.DryRun {
		return infer.CreateResponse[CommandState]{Output: state}, nil
	}
	output, err := run(ctx, request.Inputs.Create, request.Inputs.Execution, nil)
	if err != nil {
		return infer.CreateResponse[CommandState]{}, err
	}
	state.Output = output
	return infer.CreateResponse[CommandState]{ID: newID(request.Name), Output: state}, nil
}

// Update runs `update`, or `create` again where there is none; after an error the old state stays, so that the next run
// tries again.
func (Command) Update(
	ctx context.Context, request infer.UpdateRequest[CommandInputs, CommandState],
) (infer.UpdateResponse[CommandState], error) {
	state := CommandState{CommandInputs: request.Inputs, Output: request.State.Output}
	command := request.Inputs.Update
	if command == nil {
		command = request.Inputs.Create
	}
	if request.DryRun || command == nil {
		return infer.UpdateResponse[CommandState]{Output: state}, nil
	}
	output, err := run(ctx, command, request.Inputs.Execution, &request.State.Output)
	state.Output = output
	return infer.UpdateResponse[CommandState]{Output: state}, err
}

// Delete runs the `delete` that the state holds: the program that gave it may be gone.
func (Command) Delete(
	ctx context.Context, request infer.DeleteRequest[CommandState],
) (infer.DeleteResponse, error) {
	_, err := run(ctx, request.State.Delete, request.State.Execution, &request.State.Output)
	return infer.DeleteResponse{}, err
}

// WireDependencies lets every output depend on every input: what a command says may tell each secret it was given.
func (Command) WireDependencies(f infer.FieldSelector, inputs *CommandInputs, state *CommandState) {
	f.OutputField(state).DependsOn(f.InputField(inputs))
}

// newID is the resource's name and 8 random digits, as the original's.
func newID(name string) string {
	random := make([]byte, 4)
	_, _ = rand.Read(random) // never fails
	return name + hex.EncodeToString(random)
}
