// Command sdk is the benchmarked program with the in-process OpenTelemetry SDK: otelsql around the driver. One span a query, as uspan
// makes it: those of rows, of resetting and of connecting are left out.
package main

import (
	"database/sql"

	"github.com/XSAM/otelsql"

	"uspan.test/bench/go-sql/queries"
	"uspan.test/bench/inprocess"
)

func main() {
	sql.Register("bench", queries.Driver{})
	inprocess.Traced(func() error {
		db, err := otelsql.Open("bench", "", otelsql.WithSpanOptions(otelsql.SpanOptions{
			OmitConnResetSession: true,
			OmitConnectorConnect: true,
			OmitRows:             true,
		}))
		if err != nil {
			return err
		}
		return queries.Run(db)
	})
}
