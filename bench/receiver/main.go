// Command receiver is an OTLP endpoint, by gRPC and by HTTP, that counts spans and keeps nothing, so that it costs little of the
// processors which the measured programs run on. GET /counts on its HTTP port gives the counts as JSON; SIGUSR1 prints them.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	logs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	traces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/gzip" // accepts compressed requests
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	otlp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	counts := &counts{}
	server := grpc.NewServer(
		grpc.ForceServerCodecV2(countingCodec{CodecV2: encoding.GetCodecV2("proto"), counts: counts}),
		grpc.MaxRecvMsgSize(64<<20),
	)
	metrics.RegisterMetricsServiceServer(server, acceptMetrics{})
	logs.RegisterLogsServiceServer(server, acceptLogs{})
	traces.RegisterTraceServiceServer(server, acceptTraces{})

	failed := make(chan error, 2)
	go func() { failed <- server.Serve(otlp) }()
	mux := http.NewServeMux()
	mux.Handle("GET /counts", counts)
	mux.HandleFunc("POST /v1/traces", counts.acceptHTTP)
	go func() { failed <- http.Serve(web, mux) }()
	fmt.Println("listening otlp", otlp.Addr())
	fmt.Println("listening http", web.Addr())

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGTERM, syscall.SIGINT)
	for {
		select {
		case err := <-failed:
			return err
		case s := <-signals:
			if s != syscall.SIGUSR1 {
				server.Stop()
				return nil
			}
			if err := json.NewEncoder(os.Stdout).Encode(counts.read()); err != nil {
				return err
			}
		}
	}
}
