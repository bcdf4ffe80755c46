// Command plain is the benchmarked program without any tracing: bare, and what uspan is attached to.
package main

import (
	"database/sql"
	"log"

	"uspan.test/bench/go-sql/queries"
)

func main() {
	sql.Register("bench", queries.Driver{})
	db, err := sql.Open("bench", "")
	if err != nil {
		log.Fatal(err)
	}
	if err := queries.Run(db); err != nil {
		log.Fatal(err)
	}
}
