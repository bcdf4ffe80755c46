// Package queries is what the SQL benchmark measures: the same for the plain and the SDK program.
package queries

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Run prints `ready`. At a SIGUSR1 it runs queries, -goroutines at a time, for a second the first time, then for -seconds, and prints
// `called ROUND QUERIES DURATION_US P50_US P99_US`. It ends on SIGTERM, after `handled N`: how many queries it ran in all, and so how
// many spans there should be.
func Run(db *sql.DB) error {
	goroutines := flag.Int("goroutines", 16, "queries at a time")
	seconds := flag.Int("seconds", 4, "how long to query")
	rate := flag.Int("rate", 0, "queries a second in all; 0: as fast as it goes")
	flag.Parse()
	db.SetMaxIdleConns(*goroutines)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGTERM)
	fmt.Println("ready")
	handled, round := 0, 0
	for next := range signals {
		if next == syscall.SIGTERM {
			break
		}
		length := time.Duration(*seconds) * time.Second
		if round++; round == 1 {
			length = time.Second
		}
		latencies, took, err := measure(db, *goroutines, length, *rate / *goroutines)
		if err != nil {
			return err
		}
		handled += len(latencies)
		slices.Sort(latencies)
		at := func(part float64) int64 { return latencies[int(part*float64(len(latencies)-1))].Microseconds() }
		fmt.Println("called", round, len(latencies), took.Microseconds(), at(0.5), at(0.99))
	}
	fmt.Println("handled", handled)
	return nil
}

// measure runs up to rate queries a second in each goroutine, ten at a time.
func measure(db *sql.DB, goroutines int, length time.Duration, rate int) ([]time.Duration, time.Duration, error) {
	begin := time.Now()
	each := make([][]time.Duration, goroutines)
	errors := make([]error, goroutines)
	var all sync.WaitGroup
	for i := range goroutines {
		all.Go(func() {
			for start := begin; start.Sub(begin) < length && errors[i] == nil; {
				errors[i] = query(db)
				end := time.Now()
				each[i] = append(each[i], end.Sub(start))
				start = end
				if made := len(each[i]); rate > 0 && made%10 == 0 {
					due := begin.Add(time.Duration(made) * time.Second / time.Duration(rate))
					time.Sleep(time.Until(due))
					start = time.Now()
				}
			}
		})
	}
	all.Wait()
	for _, err := range errors {
		if err != nil {
			return nil, 0, err
		}
	}
	return slices.Concat(each...), time.Since(begin), nil
}

func query(db *sql.DB) error {
	var name string
	return db.QueryRowContext(context.Background(), "SELECT name FROM goods WHERE id = ? AND shop = 'north'", 7).Scan(&name)
}
