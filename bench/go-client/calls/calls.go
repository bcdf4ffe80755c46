// Package calls is the client that the HTTP client benchmark measures: the same for the plain and the SDK program.
package calls

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Run prints `ready`. At a SIGUSR1 it calls -url, -goroutines at a time, for a second the first time, then for -seconds, and prints
// `called ROUND CALLS DURATION_US P50_US P99_US`. It ends on SIGTERM, after `handled N`: how many calls it made in all, and so how many
// spans there should be.
func Run(transport http.RoundTripper) error {
	url := flag.String("url", "", "what to call")
	goroutines := flag.Int("goroutines", 16, "calls at a time")
	seconds := flag.Int("seconds", 4, "how long to call")
	flag.Parse()
	client := &http.Client{Transport: transport}
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
		latencies, took, err := measure(client, *url, *goroutines, length)
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

func measure(client *http.Client, url string, goroutines int, length time.Duration) ([]time.Duration, time.Duration, error) {
	begin := time.Now()
	each := make([][]time.Duration, goroutines)
	errors := make([]error, goroutines)
	var all sync.WaitGroup
	for i := range goroutines {
		all.Go(func() {
			for start := begin; start.Sub(begin) < length && errors[i] == nil; {
				errors[i] = call(client, url)
				end := time.Now()
				each[i] = append(each[i], end.Sub(start))
				start = end
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

func call(client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// Transport keeps as many connections open as there are calls at a time.
func Transport() *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: 1024}
}
