// Command go-hits is what bench/hits.ts attaches to: the routes of the HTTP benchmark, and handlers that make a call, run a query or both.
package main

import (
	"database/sql"
	"io"
	"log"
	"net/http"
	"os"

	"uspan.test/bench/go-http/handler"
	"uspan.test/bench/go-sql/queries"
)

func main() {
	sql.Register("bench", queries.Driver{})
	db, err := sql.Open("bench", "")
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxIdleConns(64)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	mux := http.NewServeMux()
	mux.Handle("/hello/", handler.New())
	mux.HandleFunc("GET /call", func(w http.ResponseWriter, r *http.Request) { answer(w, call(client, r)) })
	mux.HandleFunc("GET /query", func(w http.ResponseWriter, r *http.Request) { answer(w, query(db, r)) })
	mux.HandleFunc("GET /order", func(w http.ResponseWriter, r *http.Request) {
		if err := call(client, r); err != nil {
			answer(w, err)
			return
		}
		answer(w, query(db, r))
	})
	if err := handler.Serve(mux); err != nil {
		log.Fatal(err)
	}
}

// call calls UPSTREAM, over a connection that stays open.
func call(client *http.Client, r *http.Request) error {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, os.Getenv("UPSTREAM"), nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

func query(db *sql.DB, r *http.Request) error {
	var name string
	return db.QueryRowContext(r.Context(), "SELECT name FROM goods WHERE id = ? AND shop = 'north'", 7).Scan(&name)
}

func answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	io.WriteString(w, "done\n")
}
