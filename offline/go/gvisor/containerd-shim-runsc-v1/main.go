// What containerd starts for each pod in gVisor, as its makers' main does it.
package main

import "gvisor.dev/gvisor/shim/cli"

func main() {
	cli.Main()
}
