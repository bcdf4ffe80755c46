package main

import (
	"context"
	"net/http"
)

// pricingClient asks the pricing service, the Node.js half of the shop (examples/node-app), what an order costs.
type pricingClient struct{ *apiClient }

// newPricingClient gives a client that has no service to ask if base is empty.
func newPricingClient(base string) pricingClient {
	if base == "" {
		return pricingClient{}
	}
	return pricingClient{newAPIClient("pricing", base)}
}

// quote gives the price of that many pieces in cents. Without a pricing service it is the list price.
func (c pricingClient) quote(ctx context.Context, p product, quantity int64) (int64, error) {
	if c.apiClient == nil {
		return p.PriceCents * quantity, nil
	}
	wanted := map[string]int64{"productId": p.ID, "quantity": quantity, "unitCents": p.PriceCents}
	var offer struct {
		Cents int64 `json:"cents"`
	}
	err := c.call(ctx, http.MethodPost, "/quotes", wanted, &offer)
	return offer.Cents, err
}

// history is what was offered lately.
func (c pricingClient) history(ctx context.Context) ([]map[string]any, error) {
	offers := []map[string]any{}
	if c.apiClient == nil {
		return offers, nil
	}
	err := c.call(ctx, http.MethodGet, "/quotes", nil, &offers)
	return offers, err
}
