package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"

	"github.com/pulumi/pulumi-go-provider/infer"
)

// Command is `command:local:Command`: a resource whose life is told by up to three commands.
type Command struct{}

// CommandInputs are what the program gives.
type CommandInputs struct {
	CommonInputs
	Create   *string `pulumi:"create,optional"`
	Update   *string `pulumi:"update,optional"`   // without it, `create` is run again
	Delete   *string `pulumi:"delete,optional"`   // without it, nothing is run
	Triggers *[]any  `pulumi:"triggers,optional"` // the SDK asks the engine to replace when one changes
}

// CommandState is what is kept: the inputs, and what the last command printed.
type CommandState struct {
	CommandInputs
	Printed
}

// Annotate gives the token by which the SDK knows the resource.
func (c *Command) Annotate(a infer.Annotator) { a.SetToken("local", "Command") }

// WireDependencies says that whatever goes in decides what is printed: one secret input makes both outputs secret.
func (Command) WireDependencies(f infer.FieldSelector, in *CommandInputs, state *CommandState) {
	f.OutputField(&state.Stdout).DependsOn(f.InputField(in))
	f.OutputField(&state.Stderr).DependsOn(f.InputField(in))
}

// Create runs `create`, if there is one.
func (Command) Create(ctx context.Context, req infer.CreateRequest[CommandInputs]) (infer.CreateResponse[CommandState], error) {
	state := CommandState{CommandInputs: req.Inputs}
	id := make([]byte, 8)
	if _, err := rand.Read(id); err != nil {
		return infer.CreateResponse[CommandState]{}, err
	}
	answer := infer.CreateResponse[CommandState]{ID: req.Name + hex.EncodeToString(id), Output: state}
	if req.DryRun {
		return answer, nil
	}
	var err error
	answer.Output.Printed, err = runIfGiven(ctx, req.Inputs.Create, req.Inputs.CommonInputs, nil)
	return answer, err
}

// Update runs `update`, or `create` where there is none, with the new inputs.
func (Command) Update(ctx context.Context, req infer.UpdateRequest[CommandInputs, CommandState]) (infer.UpdateResponse[CommandState], error) {
	state := CommandState{CommandInputs: req.Inputs, Printed: req.State.Printed}
	if req.DryRun {
		return infer.UpdateResponse[CommandState]{Output: state}, nil
	}
	command := req.Inputs.Update
	if command == nil {
		command = req.Inputs.Create
	}
	var err error
	state.Printed, err = runIfGiven(ctx, command, req.Inputs.CommonInputs, &req.State.Printed)
	return infer.UpdateResponse[CommandState]{Output: state}, err
}

// Delete runs `delete` with what was kept.
func (Command) Delete(ctx context.Context, req infer.DeleteRequest[CommandState]) (infer.DeleteResponse, error) {
	_, err := runIfGiven(ctx, req.State.Delete, req.State.CommonInputs, &req.State.Printed)
	return infer.DeleteResponse{}, err
}

// Run is `command:local:run`: a command that is run whenever the program is, at preview too.
type Run struct{}

// RunInputs are what the program gives.
type RunInputs struct {
	CommonInputs
	Command string `pulumi:"command"`
}

// RunOutputs are the inputs again, and what the command printed.
type RunOutputs struct {
	RunInputs
	Printed
}

// Annotate gives the token by which the SDK knows the function.
func (r *Run) Annotate(a infer.Annotator) { a.SetToken("local", "run") }

// Invoke runs the command.
func (Run) Invoke(ctx context.Context, req infer.FunctionRequest[RunInputs]) (infer.FunctionResponse[RunOutputs], error) {
	printed, err := runIfGiven(ctx, &req.Input.Command, req.Input.CommonInputs, nil)
	return infer.FunctionResponse[RunOutputs]{Output: RunOutputs{req.Input, printed}}, err
}

func runIfGiven(ctx context.Context, command *string, inputs CommonInputs, before *Printed) (Printed, error) {
	if inputs.AssetPaths != nil || inputs.ArchivePaths != nil {
		return Printed{}, errors.New("this stand-in for the command provider knows no assetPaths and archivePaths")
	}
	if command == nil {
		if before != nil {
			return *before, nil
		}
		return Printed{}, nil
	}
	return inputs.run(ctx, *command, before)
}
