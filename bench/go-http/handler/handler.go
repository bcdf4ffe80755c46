// Package handler is the service that the HTTP benchmark measures: the same routes for the plain and the SDK server.
package handler

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

type greeting struct {
	Hello string `json:"hello"`
}

var handled atomic.Int64

// New gives the routes: small on purpose, so that what tracing adds is not hidden behind work.
func New() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		handled.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(greeting{r.PathValue("name")})
	})
	return mux
}

// Serve listens on -addr, prints `listening HOST:PORT`, serves until SIGTERM and then prints `handled N`: how many requests
// it handled, and so how many spans there should be.
func Serve(handler http.Handler) error {
	addr := flag.String("addr", "127.0.0.1:0", "address to listen on")
	flag.Parse()
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	fmt.Println("listening", listener.Addr())
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	fmt.Println("handled", handled.Load())
	return nil
}
