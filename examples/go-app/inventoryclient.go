package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// inventoryClient asks the inventory over HTTP.
type inventoryClient struct {
	base string
	http *http.Client
}

func newInventoryClient(base string) *inventoryClient {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	return &inventoryClient{base: base, http: &http.Client{Transport: transport, Timeout: 2 * time.Second}}
}

func (c *inventoryClient) stock(ctx context.Context, productID int64) (stock, error) {
	var found stock
	err := c.call(ctx, http.MethodGet, fmt.Sprintf("/stock/%d", productID), nil, &found)
	return found, err
}

func (c *inventoryClient) reserve(ctx context.Context, productID, quantity int64) error {
	return c.call(ctx, http.MethodPost, "/reservations", reservation{ProductID: productID, Quantity: quantity}, nil)
}

// call passes 4xx answers on as they are; an inventory that fails or can't be reached is a bad gateway.
func (c *inventoryClient) call(ctx context.Context, method, path string, send, receive any) error {
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
		return failure{http.StatusBadGateway, "inventory: " + err.Error()}
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode >= 500:
		return failure{http.StatusBadGateway, "inventory: " + response.Status}
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
