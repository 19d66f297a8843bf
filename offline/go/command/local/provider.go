// Package local runs commands on the server, as part of a stack's life.
package local

import (
	"context"
	"strings"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Provider serves `command:local:Command` and `command:local:run`.
func Provider() provider.Provider {
	inferred := infer.Provider(infer.Options{
		Resources: []infer.InferredResource{infer.Resource(Command{})},
		Functions: []infer.InferredFunction{infer.Function(Run{})},
	})
	compare := inferred.Diff
	inferred.Diff = func(ctx context.Context, request provider.DiffRequest) (provider.DiffResponse, error) {
		response, err := compare(ctx, request)
		replaceOnTriggers(response.DetailedDiff)
		return response, err
	}
	return inferred
}

// replaceOnTriggers turns any change below `triggers` into a replacement. infer's own tag knows only whole properties,
// and what it is asked about is `triggers[0]`.
func replaceOnTriggers(diff map[string]provider.PropertyDiff) {
	replacing := map[provider.DiffKind]provider.DiffKind{
		provider.Add:    provider.AddReplace,
		provider.Delete: provider.DeleteReplace,
		provider.Update: provider.UpdateReplace,
	}
	for path, change := range diff {
		kind, found := replacing[change.Kind]
		if found && (path == "triggers" || strings.HasPrefix(path, "triggers[")) {
			change.Kind = kind
			diff[path] = change
		}
	}
}
