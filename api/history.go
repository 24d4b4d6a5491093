package api

import (
	"net/http"
	"strconv"
)

func (s *server) timeline(w http.ResponseWriter, r *request) error {
	account, err := r.pathID("id", "the account")
	if err != nil {
		return err
	}
	limit, err := r.limit()
	if err != nil {
		return err
	}
	before, err := r.seq("after")
	if err != nil {
		return err
	}
	d, err := s.dialectNamed("", "dialect")
	if err != nil {
		return err
	}
	entries, next, err := s.history.Timeline(r.Context(), r.org(), account, before, limit, d)
	if err != nil {
		return err
	}
	cursor := ""
	if next > 0 {
		cursor = strconv.FormatInt(next, 10)
	}
	return writeJSON(w, http.StatusOK, page(entries, cursor))
}

func (s *server) hierarchy(w http.ResponseWriter, r *request) error {
	account, err := r.pathID("id", "the account")
	if err != nil {
		return err
	}
	answer, err := s.history.Hierarchy(r.Context(), r.org(), account)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, answer)
}
