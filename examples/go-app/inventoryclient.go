package main

import (
	"context"
	"fmt"
	"net/http"
)

// inventoryClient asks the inventory what is in stock.
type inventoryClient struct{ *apiClient }

func newInventoryClient(base string) inventoryClient {
	return inventoryClient{newAPIClient("inventory", base)}
}

func (c inventoryClient) stock(ctx context.Context, productID int64) (stock, error) {
	var found stock
	err := c.call(ctx, http.MethodGet, fmt.Sprintf("/stock/%d", productID), nil, &found)
	return found, err
}

func (c inventoryClient) reserve(ctx context.Context, productID, quantity int64) error {
	return c.call(ctx, http.MethodPost, "/reservations", reservation{ProductID: productID, Quantity: quantity}, nil)
}
