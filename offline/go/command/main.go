// Pulumi's `command` provider, a stand-in: the original is not to be had from the package registries.
//
// It serves what the SDK `pulumi-command` 1.2.1 calls `local`: the resource Command and the function run, with the
// tokens, properties and meaning of the original, so that a stack made with one goes on with the other.
//
// Left out: `command:remote` (nothing here uses SSH), Windows, and what `assetPaths` and `archivePaths` collect; both
// properties are refused with a message.
package main

import (
	"context"
	"fmt"
	"os"

	provider "github.com/pulumi/pulumi-go-provider"

	"coursehub.local/offline/command/local"
)

// What the program says it is is the version of the original whose contract it keeps.
const version = "1.2.1"

func main() {
	if err := provider.RunProvider(context.Background(), "command", version, local.Provider()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
