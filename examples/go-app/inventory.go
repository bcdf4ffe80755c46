package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"time"
)

type stock struct {
	ProductID int64 `json:"productId"`
	Available int64 `json:"available"`
}

type reservation struct {
	ProductID int64 `json:"productId"`
	Quantity  int64 `json:"quantity"`
}

const (
	fullShelf    = 500
	maxPerOrder  = 50
	remoteShelf  = 7 // this product lies in another warehouse, and asking there takes time
	remoteLookup = 120 * time.Millisecond
)

// inventory knows how much of each product there is.
type inventory struct{ db *sql.DB }

func newInventory(ctx context.Context, db *sql.DB) (http.Handler, error) {
	for i := range catalogue {
		if _, err := db.ExecContext(ctx, "INSERT OR IGNORE INTO stock (product_id, available) VALUES (?, ?)", i+1, fullShelf); err != nil {
			return nil, fmt.Errorf("fill the shelves: %w", err)
		}
	}
	s := &inventory{db: db}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", handle(http.StatusOK, func(r *http.Request) (any, error) {
		return map[string]string{"status": "ok"}, db.PingContext(r.Context())
	}))
	mux.HandleFunc("GET /stock/{id}", handle(http.StatusOK, s.show))
	mux.HandleFunc("POST /reservations", handle(http.StatusCreated, s.reserve))
	return mux, nil
}

func (s *inventory) show(r *http.Request) (any, error) {
	var found stock
	err := s.db.QueryRowContext(r.Context(), "SELECT product_id, available FROM stock WHERE product_id = ?", r.PathValue("id")).
		Scan(&found.ProductID, &found.Available)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, failure{http.StatusNotFound, "not on the shelves"}
	}
	if found.ProductID == remoteShelf {
		select {
		case <-time.After(remoteLookup):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	return found, err
}

// reserve takes from the shelf, or answers 409 if the order is too large. It refills an empty shelf.
func (s *inventory) reserve(r *http.Request) (any, error) {
	ctx := r.Context()
	var wanted reservation
	if err := readJSON(r, &wanted); err != nil {
		return nil, err
	}
	if wanted.Quantity < 1 || wanted.Quantity > maxPerOrder {
		return nil, failure{http.StatusConflict, fmt.Sprintf("from 1 to %d of a product can be reserved", maxPerOrder)}
	}
	err := inTransaction(ctx, s.db, func(tx *sql.Tx) error {
		var available int64
		err := tx.QueryRowContext(ctx, "SELECT available FROM stock WHERE product_id = ?", wanted.ProductID).Scan(&available)
		if errors.Is(err, sql.ErrNoRows) {
			return failure{http.StatusNotFound, "not on the shelves"}
		}
		if err != nil {
			return err
		}
		if available < wanted.Quantity {
			available = fullShelf
		}
		_, err = tx.ExecContext(ctx, "UPDATE stock SET available = ? WHERE product_id = ?", available-wanted.Quantity, wanted.ProductID)
		return err
	})
	return wanted, err
}
