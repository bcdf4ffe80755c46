// Command plain is the benchmarked service without any tracing: bare, and what uspan is attached to.
package main

import (
	"log"

	"uspan.test/bench/go-http/handler"
)

func main() {
	if err := handler.Serve(handler.New()); err != nil {
		log.Fatal(err)
	}
}
