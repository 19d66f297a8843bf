// gVisor's runtime, as its makers' main does it.
package main

import "gvisor.dev/gvisor/runsc/cli"

func main() {
	cli.Main()
}
