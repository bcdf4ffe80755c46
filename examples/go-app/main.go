// Command go-app is a small shop: a JSON API over an SQL table, which asks a second instance of itself, the inventory,
// over HTTP. It has no tracing of its own. It shows what uspan does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	run := runServer
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "load" {
		run, args = runLoad, args[1:]
	}
	if err := run(ctx, args); err != nil && !errors.Is(err, flag.ErrHelp) {
		slog.Error("stopped", "error", err)
		os.Exit(1)
	}
}

type serverOptions struct {
	role      string
	addr      string
	inventory string
	pricing   string
	db        string
	load      string
	lifeline  bool
}

func parseServerOptions(args []string) (serverOptions, error) {
	var o serverOptions
	flags := flag.NewFlagSet("go-app", flag.ContinueOnError)
	flags.StringVar(&o.role, "role", "front", "front: products and orders; inventory: stock and reservations")
	flags.StringVar(&o.addr, "addr", "127.0.0.1:0", "loopback address to listen on; port 0 takes a free one")
	flags.StringVar(&o.inventory, "inventory", "", "front: base URL of the inventory; empty starts one as a child process")
	flags.StringVar(&o.pricing, "pricing", "", "front: base URL of the pricing service (examples/node-app); empty sells at list prices")
	flags.StringVar(&o.db, "db", "", "SQLite file; empty makes one in a temporary directory and removes it at the end")
	flags.StringVar(&o.load, "load", "", "front: start a load generator as a child process, for instance 20/s")
	flags.BoolVar(&o.lifeline, "lifeline", false, "end when standard input ends (how child processes follow their parent)")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.role != "front" && o.role != "inventory" {
		return o, fmt.Errorf("-role: %q is neither front nor inventory", o.role)
	}
	host, _, err := net.SplitHostPort(o.addr)
	if err != nil {
		return o, fmt.Errorf("-addr: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return o, fmt.Errorf("-addr: %q is no loopback address; this is an example, not a server for a network", o.addr)
	}
	return o, nil
}

func runServer(ctx context.Context, args []string) error {
	o, err := parseServerOptions(args)
	if err != nil {
		return err
	}
	if o.lifeline {
		ctx = withLifeline(ctx)
	}
	if o.db == "" {
		dir, err := os.MkdirTemp("", "go-app-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.db = filepath.Join(dir, o.role+".db")
	}
	db, err := openDatabase(ctx, o.db)
	if err != nil {
		return err
	}
	defer db.Close()

	var routes http.Handler
	switch o.role {
	case "inventory":
		routes, err = newInventory(ctx, db)
	case "front":
		base := o.inventory
		if base == "" {
			child, err := startChild(ctx, "inventory", "listening", "-role", "inventory", "-lifeline")
			if err != nil {
				return err
			}
			defer child.stop()
			base = "http://" + child.addr
		}
		routes, err = newFront(ctx, db, newInventoryClient(base), newPricingClient(o.pricing))
	}
	if err != nil {
		return err
	}

	listener, err := net.Listen("tcp", o.addr)
	if err != nil {
		return err
	}
	fmt.Println("listening", listener.Addr())
	if o.load != "" {
		child, err := startChild(ctx, "load", "visiting", "load", "-lifeline", "-rate", o.load, "-target", "http://"+listener.Addr().String())
		if err != nil {
			return err
		}
		defer child.stop()
	}
	return serveUntilDone(ctx, listener, routes)
}

// serveUntilDone serves until the context ends and then lets requests finish for up to five seconds.
func serveUntilDone(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelError),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return server.Shutdown(grace)
}
