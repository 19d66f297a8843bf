// A stand-in for the command provider of Pulumi, where the original cannot be fetched: `command:local:Command` and
// `command:local:run`, as the Python SDK pulumi-command 1.2.1 calls them. Left out, and refused where asked for: assets,
// archives, remote commands.
package main

import (
	"context"
	"fmt"
	"os"

	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

const version = "1.2.1" // of the SDK that it serves

func newProvider() (provider.Provider, error) {
	return infer.NewProviderBuilder().
		WithNamespace("pulumi").
		WithResources(infer.Resource(Command{})).
		WithFunctions(infer.Function(Run{})).
		Build()
}

func main() {
	served, err := newProvider()
	if err == nil {
		err = provider.RunProvider(context.Background(), "command", version, served)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
