package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// apiClient asks another service of the shop over HTTP, in JSON.
type apiClient struct {
	name string
	base string
	http *http.Client
}

func newAPIClient(name, base string) *apiClient {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	return &apiClient{name: name, base: base, http: &http.Client{Transport: transport, Timeout: 2 * time.Second}}
}

// call passes 4xx answers on unchanged. A service that fails or can't be reached is a bad gateway.
func (c *apiClient) call(ctx context.Context, method, path string, send, receive any) error {
	var body io.Reader
	if send != nil {
		encoded, err := json.Marshal(send)
		if err != nil {
			return err
		}
		body = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	copyTraceHeaders(ctx, request.Header)
	response, err := c.http.Do(request)
	if err != nil {
		return failure{http.StatusBadGateway, c.name + ": " + err.Error()}
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode >= 500:
		return failure{http.StatusBadGateway, c.name + ": " + response.Status}
	case response.StatusCode >= 400:
		var answer struct{ Error string }
		_ = json.NewDecoder(response.Body).Decode(&answer)
		return failure{response.StatusCode, answer.Error}
	case receive == nil:
		_, err = io.Copy(io.Discard, response.Body) // so that the connection can be used again
		return err
	default:
		return json.NewDecoder(response.Body).Decode(receive)
	}
}
