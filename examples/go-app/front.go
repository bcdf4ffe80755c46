package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

type product struct {
	ID         int64  `json:"id"`
	Name       string `json:"name"`
	PriceCents int64  `json:"priceCents"`
}

type order struct {
	ID         int64 `json:"id"`
	ProductID  int64 `json:"productId"`
	Quantity   int64 `json:"quantity"`
	TotalCents int64 `json:"totalCents"`
}

// front sells products. It asks the inventory what is in stock, and the pricing service what it costs.
type front struct {
	db        *sql.DB
	inventory inventoryClient
	pricing   pricingClient
}

var catalogue = []string{"teapot", "cup", "saucer", "spoon", "kettle", "tray", "strainer", "sugar bowl", "milk jug", "tea cosy"}

func newFront(ctx context.Context, db *sql.DB, inventory inventoryClient, pricing pricingClient) (http.Handler, error) {
	for i, name := range catalogue {
		if _, err := db.ExecContext(ctx, "INSERT OR IGNORE INTO products (id, name, price_cents) VALUES (?, ?, ?)", i+1, name, 450*(i+1)); err != nil {
			return nil, fmt.Errorf("fill the catalogue: %w", err)
		}
	}
	f := &front{db: db, inventory: inventory, pricing: pricing}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", handle(http.StatusOK, f.health))
	mux.HandleFunc("GET /products", handle(http.StatusOK, f.listProducts))
	mux.HandleFunc("GET /products/{id}", handle(http.StatusOK, f.showProduct))
	mux.HandleFunc("POST /orders", handle(http.StatusCreated, f.placeOrder))
	mux.HandleFunc("GET /orders/{id}", handle(http.StatusOK, f.showOrder))
	mux.HandleFunc("GET /quotes", handle(http.StatusOK, func(r *http.Request) (any, error) { return f.pricing.history(r.Context()) }))
	mux.HandleFunc("GET /slow", handle(http.StatusOK, f.salesReport))
	mux.HandleFunc("GET /fail", handle(http.StatusOK, f.discounts))
	mux.HandleFunc("POST /panic", handle(http.StatusOK, f.recommend))
	return mux, nil
}

func (f *front) health(r *http.Request) (any, error) {
	return map[string]string{"status": "ok"}, f.db.PingContext(r.Context())
}

func (f *front) listProducts(r *http.Request) (any, error) {
	rows, err := f.db.QueryContext(r.Context(), "SELECT id, name, price_cents FROM products ORDER BY name")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	products := []product{}
	for rows.Next() {
		var p product
		if err := rows.Scan(&p.ID, &p.Name, &p.PriceCents); err != nil {
			return nil, err
		}
		products = append(products, p)
	}
	return products, rows.Err()
}

func (f *front) showProduct(r *http.Request) (any, error) {
	p, err := f.product(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	stock, err := f.inventory.stock(r.Context(), p.ID)
	if err != nil {
		return nil, err
	}
	return struct {
		product
		Available int64 `json:"available"`
	}{p, stock.Available}, nil
}

// product finds one by the id in a path. An id that is not a number is not found either.
func (f *front) product(ctx context.Context, id string) (product, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return product{}, failure{http.StatusNotFound, "no such product"}
	}
	var p product
	err = f.db.QueryRowContext(ctx, "SELECT id, name, price_cents FROM products WHERE id = ?", n).Scan(&p.ID, &p.Name, &p.PriceCents)
	if errors.Is(err, sql.ErrNoRows) {
		return product{}, failure{http.StatusNotFound, "no such product"}
	}
	return p, err
}

func (f *front) placeOrder(r *http.Request) (any, error) {
	ctx := r.Context()
	var wanted order
	if err := readJSON(r, &wanted); err != nil {
		return nil, err
	}
	if wanted.Quantity < 1 {
		return nil, failure{http.StatusBadRequest, "quantity must be at least 1"}
	}
	p, err := f.product(ctx, strconv.FormatInt(wanted.ProductID, 10))
	if err != nil {
		return nil, err
	}
	if err := f.inventory.reserve(ctx, p.ID, wanted.Quantity); err != nil {
		return nil, err
	}
	cents, err := f.pricing.quote(ctx, p, wanted.Quantity)
	if err != nil {
		return nil, err
	}
	placed := order{ProductID: p.ID, Quantity: wanted.Quantity, TotalCents: cents}
	err = inTransaction(ctx, f.db, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, "INSERT INTO orders (product_id, quantity, total_cents) VALUES (?, ?, ?)")
		if err != nil {
			return err
		}
		defer insert.Close()
		result, err := insert.ExecContext(ctx, placed.ProductID, placed.Quantity, placed.TotalCents)
		if err != nil {
			return err
		}
		placed.ID, err = result.LastInsertId()
		return err
	})
	return placed, err
}

func (f *front) showOrder(r *http.Request) (any, error) {
	var o order
	err := f.db.QueryRowContext(r.Context(), "SELECT id, product_id, quantity, total_cents FROM orders WHERE id = ?", r.PathValue("id")).
		Scan(&o.ID, &o.ProductID, &o.Quantity, &o.TotalCents)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, failure{http.StatusNotFound, "no such order"}
	}
	return o, err
}
