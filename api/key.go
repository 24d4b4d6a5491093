package api

import (
	"net/http"
	"time"

	"carillon"
)

// Key is an API key as it is shown.
type Key struct {
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	Right     carillon.Right `json:"right" enum:"read,write,admin"`
	Actor     carillon.Actor `json:"actor"`
	CreatedAt time.Time      `json:"createdAt"`
	Secret    string         `json:"secret,omitzero" doc:"shown once, when the key is made"`
}

// NewActor is who a new key's writes are attributed to.
type NewActor struct {
	ID    string `json:"id" minLength:"1" maxLength:"128"`
	Type  string `json:"type,omitempty" maxLength:"64"`
	Email string `json:"email,omitempty" maxLength:"255"`
}

// NewKey is what makes a key.
type NewKey struct {
	Name  string         `json:"name" minLength:"1" maxLength:"255"`
	Right carillon.Right `json:"right" enum:"read,write,admin"`
	Actor *NewActor      `json:"actor,omitempty" doc:"who the key's writes are attributed to; absent: the key itself"`
}

func keyOf(k *carillon.Key) Key {
	return Key{ID: k.ID, Name: k.Name, Right: k.Right, Actor: k.Actor, CreatedAt: k.CreatedAt}
}

func (s *server) listKeys(w http.ResponseWriter, r *request) error {
	keys, err := s.gate.List(r.Context(), r.org())
	if err != nil {
		return err
	}
	return writePage(w, r, keys, func(k *carillon.Key) string { return k.ID }, func(k *carillon.Key) (Key, error) { return keyOf(k), nil })
}

func (s *server) getKey(w http.ResponseWriter, r *request) error {
	id, err := r.pathID("id", "the key")
	if err != nil {
		return err
	}
	keys, err := s.gate.List(r.Context(), r.org())
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.ID == id {
			return writeJSON(w, http.StatusOK, keyOf(k))
		}
	}
	return carillon.NotFound("key", id)
}

func (s *server) createKey(w http.ResponseWriter, r *request) error {
	in, err := decode[NewKey](s, w, r)
	if err != nil {
		return err
	}
	var actor carillon.Actor
	if in.Actor != nil {
		actor = carillon.Actor(*in.Actor)
	}
	key, secret, err := s.gate.Create(r.Context(), r.org(), in.Name, in.Right, actor)
	if err != nil {
		return err
	}
	answer := keyOf(key)
	answer.Secret = secret
	w.Header().Set("Location", "/v1/keys/"+key.ID)
	return writeJSON(w, http.StatusCreated, answer)
}

// deleteKey takes the id from the path, or on /v1/keys itself from ?id=.
func (s *server) deleteKey(w http.ResponseWriter, r *request) error {
	id := r.PathValue("id")
	if id == "" {
		id = r.query.Get("id")
	}
	if id == "" {
		return carillon.Invalid("id", "is missing")
	}
	if !carillon.ValidID(id) {
		return carillon.Invalid("id", idRule)
	}
	if err := s.gate.Delete(r.Context(), r.org(), id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// writePage answers the part of a short list, ordered by id, that ?after= and ?limit= ask for.
func writePage[From, To any](w http.ResponseWriter, r *request, all []From, id func(From) string, show func(From) (To, error)) error {
	limit, err := r.limit()
	if err != nil {
		return err
	}
	after, err := r.cursor()
	if err != nil {
		return err
	}
	items := []To{}
	next := ""
	for _, one := range all {
		if id(one) <= after {
			continue
		}
		if len(items) == limit {
			return writeJSON(w, http.StatusOK, page(items, next))
		}
		item, err := show(one)
		if err != nil {
			return err
		}
		items = append(items, item)
		next = cursorOf(id(one))
	}
	return writeJSON(w, http.StatusOK, page(items, ""))
}
