// Command plain is the benchmarked client without any tracing: bare, and what uspan is attached to.
package main

import (
	"log"

	"uspan.test/bench/go-client/calls"
)

func main() {
	if err := calls.Run(calls.Transport()); err != nil {
		log.Fatal(err)
	}
}
