package main

import (
	"net/http"
)

// The routes in this file have the faults that real services have, each for its own reason.

// salesReport is slow twice over: a query that scans far too much, and then one query per product.
func (f *front) salesReport(r *http.Request) (any, error) {
	const trend = `WITH RECURSIVE day(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM day WHERE n < 150000)
		SELECT count(*) FROM day WHERE n % 7 = (SELECT count(*) FROM orders WHERE id < 0)`
	var weeks int64
	if err := f.db.QueryRowContext(r.Context(), trend).Scan(&weeks); err != nil {
		return nil, err
	}
	sold := make(map[string]int64, len(catalogue))
	for i, name := range catalogue {
		var quantity int64
		const query = "SELECT coalesce(sum(quantity), 0) FROM orders WHERE product_id = ?"
		if err := f.db.QueryRowContext(r.Context(), query, i+1).Scan(&quantity); err != nil {
			return nil, err
		}
		sold[name] = quantity
	}
	return map[string]any{"weeks": weeks, "sold": sold}, nil
}

// discounts fails because a migration was forgotten: the table is not there.
func (f *front) discounts(r *http.Request) (any, error) {
	var percent int64
	err := f.db.QueryRowContext(r.Context(), "SELECT percent FROM discounts WHERE code = 'TEA4TWO'").Scan(&percent)
	return map[string]int64{"percent": percent}, err
}

// recommend panics: it takes the first of no recommendations.
func (f *front) recommend(r *http.Request) (any, error) {
	var recommended []product
	for _, p := range r.URL.Query()["liked"] {
		recommended = append(recommended, product{Name: p})
	}
	return recommended[0], nil
}
