package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const maxLoadInFlight = 64

// visit is one kind of request and how often it comes, in percent.
type visit struct {
	percent int
	method  string
	path    func() string
	body    func() string
}

func fixed(path string) func() string { return func() string { return path } }

func upTo(n int) int { return 1 + rand.IntN(n) }

var visits = []visit{
	{20, http.MethodGet, fixed("/products"), nil},
	{34, http.MethodGet, func() string { return fmt.Sprintf("/products/%d", upTo(len(catalogue))) }, nil},
	{24, http.MethodPost, fixed("/orders"), func() string {
		// About one in six orders too much, and the inventory refuses it.
		return fmt.Sprintf(`{"productId": %d, "quantity": %d}`, upTo(len(catalogue)), upTo(maxPerOrder+10))
	}},
	{8, http.MethodGet, func() string { return fmt.Sprintf("/orders/%d", upTo(20)) }, nil},
	{4, http.MethodGet, func() string { return fmt.Sprintf("/products/%d", 900+upTo(99)) }, nil},
	{4, http.MethodGet, fixed("/slow"), nil},
	{2, http.MethodPost, fixed("/orders"), fixed(`{"productId": 1, "quantity": `)},
	{1, http.MethodGet, fixed("/fail"), nil},
	{1, http.MethodGet, fixed("/quotes"), nil},
	{1, http.MethodPost, fixed("/panic"), fixed("{}")},
	{1, http.MethodGet, fixed("/favicon.ico"), nil},
}

// pick draws a kind of request by its share.
func pick() visit {
	at := rand.IntN(100)
	for _, v := range visits {
		if at -= v.percent; at < 0 {
			return v
		}
	}
	panic("the shares in visits do not sum up to 100")
}

// parseRate reads `20/s` or `90/m` and gives the time from one request to the next.
func parseRate(text string) (time.Duration, error) {
	count, unit, _ := strings.Cut(text, "/")
	per, known := map[string]time.Duration{"s": time.Second, "m": time.Minute}[unit]
	n, err := strconv.ParseFloat(count, 64)
	if !known || err != nil || !(n > 0 && n <= 10_000) {
		return 0, fmt.Errorf("-rate: %q is no rate like 20/s or 90/m", text)
	}
	return time.Duration(float64(per) / n), nil
}

// runLoad visits a running shop at a steady rate until the context ends.
func runLoad(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("go-app load", flag.ContinueOnError)
	target := flags.String("target", "", "base URL of the front")
	rate := flags.String("rate", "20/s", "requests a second (20/s) or a minute (90/m)")
	lifeline := flags.Bool("lifeline", false, "end when standard input ends")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if base, err := url.Parse(*target); err != nil || base.Host == "" {
		return fmt.Errorf("-target: %q is no URL like http://127.0.0.1:8080", *target)
	}
	every, err := parseRate(*rate)
	if err != nil {
		return err
	}
	if *lifeline {
		ctx = withLifeline(ctx)
	}
	fmt.Println("visiting", *target)

	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: maxLoadInFlight}}
	inFlight := make(chan struct{}, maxLoadInFlight)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		select {
		case inFlight <- struct{}{}:
			go func() {
				defer func() { <-inFlight }()
				pick().send(ctx, client, *target)
			}()
		default: // the shop is slower than the rate: leave this one out
		}
	}
}

// send makes the request. It does not care how the request ends.
func (v visit) send(ctx context.Context, client *http.Client, base string) {
	var body io.Reader
	if v.body != nil {
		body = strings.NewReader(v.body())
	}
	request, err := http.NewRequestWithContext(ctx, v.method, base+v.path(), body)
	if err != nil {
		return
	}
	// The visits come through an edge that traces, as a CDN or an ingress does: each belongs to a trace already.
	request.Header.Set("Traceparent", fmt.Sprintf("00-%016x%016x-%016x-01", rand.Uint64(), rand.Uint64()|1, rand.Uint64()|1))
	response, err := client.Do(request)
	if err != nil {
		return
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
}
