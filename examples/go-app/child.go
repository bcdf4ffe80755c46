package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// child is another instance of this program. It ends when its standard input does, so it never outlives its parent.
type child struct {
	cmd      *exec.Cmd
	lifeline io.Closer
	addr     string // the rest of the line it announced itself with
}

// startChild starts this program again under a service name of its own and waits for the line that begins with
// the announcement.
func startChild(ctx context.Context, service, announcement string, args ...string) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), exe, args...)
	cmd.Env = append(os.Environ(), "OTEL_SERVICE_NAME="+service)
	cmd.Stderr = os.Stderr
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, lifeline: lifeline}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), announcement+" ")
	if err != nil || !ok {
		c.stop()
		return nil, fmt.Errorf("the %s process did not start: it said %q", service, line)
	}
	c.addr = addr
	return c, nil
}

func (c *child) stop() {
	c.lifeline.Close()
	_ = c.cmd.Wait() // it logs its own failure
}

// withLifeline gives a context that also ends when standard input does.
func withLifeline(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	return ctx
}
