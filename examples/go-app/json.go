package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
)

const maxBodyBytes = 64 << 10

// failure is an error with the status that a client should see.
type failure struct {
	status int
	text   string
}

func (f failure) Error() string { return f.text }

// handle turns a function that gives a value or an error into a handler that answers in JSON.
// Other errors are logged and become 500.
func handle(status int, do func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, err := do(keepTraceHeaders(r))
		var known failure
		switch {
		case err == nil:
			writeJSON(w, status, answer)
		case errors.As(err, &known):
			writeJSON(w, known.status, map[string]string{"error": known.text})
		case errors.Is(err, context.Canceled):
			// The client has gone, so there is no answer to send.
		default:
			slog.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
			writeJSON(w, http.StatusInternalServerError, map[string]string{"error": "internal error"})
		}
	}
}

func writeJSON(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		slog.Debug("answer not sent", "error", err)
	}
}

func readJSON(r *http.Request, into any) error {
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBodyBytes)).Decode(into); err != nil {
		return failure{http.StatusBadRequest, "the body is no valid JSON: " + err.Error()}
	}
	return nil
}
