package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"carillon"
)

// Connection is a source of a vendor's webhooks as people write and read it. The members below Settings are the house's:
// writes may carry them and they are ignored, so that what was read can be sent back.
type Connection struct {
	Name        string          `json:"name,omitempty" maxLength:"255"`
	Dialect     string          `json:"dialect" minLength:"1" maxLength:"64" doc:"the vendor's; it cannot be changed"`
	Verify      Verify          `json:"verify"`
	IDPrefix    string          `json:"idPrefix,omitempty" maxLength:"64" doc:"begins the ids of records that come from here, where the vendor's are numbers; the dialect's own by default, with a number if another connection has it"`
	OrderWaitMS int64           `json:"orderWaitMs,omitempty" minimum:"0" maximum:"600000" doc:"how long a delivery waits for earlier ones that may be late; what comes within it is applied in the order of the vendor's times"`
	Settings    json.RawMessage `json:"settings,omitempty" doc:"what the dialect needs for reading; an object"`

	ID        string    `json:"id,omitempty" readOnly:"true"`
	URL       string    `json:"url,omitempty" readOnly:"true" doc:"the path that the vendor posts to, on this server"`
	CreatedAt time.Time `json:"createdAt,omitzero" readOnly:"true"`
	UpdatedAt time.Time `json:"updatedAt,omitzero" readOnly:"true"`
}

// Verify is how a connection proves that a request is the vendor's. Secret, password and value are shown as "********";
// sent back like that they stay what they are. Only a secret that the house made is shown, on creation.
type Verify struct {
	Type     carillon.VerifyType `json:"type" enum:"none,standard,smarterpay,sns,basic,header,parameter"`
	Secret   string              `json:"secret,omitempty" maxLength:"1024" doc:"for standard and smarterpay; standard gets one if it is absent on creation"`
	Username string              `json:"username,omitempty" maxLength:"1024" doc:"for basic"`
	Password string              `json:"password,omitempty" maxLength:"1024" doc:"for basic"`
	Name     string              `json:"name,omitempty" maxLength:"1024" doc:"of the header or parameter"`
	Value    string              `json:"value,omitempty" maxLength:"1024" doc:"for header and parameter"`
	TopicARN string              `json:"topicArn,omitempty" maxLength:"2048" doc:"for sns: the topic whose messages are accepted; if absent, that of the first subscription confirmed"`
}

// writableConnection is the part of a connection that people set, its secrets included.
func writableConnection(c *carillon.Connection) Connection {
	return Connection{
		Name: c.Name, Dialect: c.Dialect, Verify: Verify(c.Verify), IDPrefix: c.IDPrefix,
		OrderWaitMS: c.OrderWait.Milliseconds(), Settings: c.Settings,
	}
}

// shownConnection is a connection with its secrets masked.
func shownConnection(c *carillon.Connection) Connection {
	out := writableConnection(c)
	v := &out.Verify
	v.Secret, v.Password, v.Value = masked(v.Secret), masked(v.Password), masked(v.Value)
	out.ID, out.URL, out.CreatedAt, out.UpdatedAt = c.ID, "/in/"+c.ID, c.CreatedAt, c.UpdatedAt
	return out
}

// apply sets what people set. kept is what masked secrets stand for.
func (in Connection) apply(to *carillon.Connection, kept carillon.Verify) error {
	to.Name, to.Dialect, to.Verify, to.IDPrefix = in.Name, in.Dialect, carillon.Verify(in.Verify), in.IDPrefix
	to.OrderWait = time.Duration(in.OrderWaitMS) * time.Millisecond
	var faults []carillon.Fault
	to.Settings, faults = settingsOf(in.Settings)
	faults = append(faults, unmask("/verify/secret", &to.Verify.Secret, kept.Secret)...)
	faults = append(faults, unmask("/verify/password", &to.Verify.Password, kept.Password)...)
	faults = append(faults, unmask("/verify/value", &to.Verify.Value, kept.Value)...)
	if faults != nil {
		return invalid("the connection is not valid", faults...)
	}
	return nil
}

func (s *server) createConnection(w http.ResponseWriter, r *request) error {
	in, err := decode[Connection](s, w, r)
	if err != nil {
		return err
	}
	c := &carillon.Connection{Org: r.org()}
	if err := in.apply(c, carillon.Verify{}); err != nil {
		return err
	}
	if err := s.intake.Create(r.Context(), c); err != nil {
		return err
	}
	answer := shownConnection(c)
	if in.Verify.Secret == "" {
		answer.Verify.Secret = c.Verify.Secret // the house made it, if there is one
	}
	w.Header().Set("Location", "/v1/connections/"+c.ID)
	return writeJSON(w, http.StatusCreated, answer)
}

func (s *server) listConnections(w http.ResponseWriter, r *request) error {
	all, err := s.store.Connections(r.Context(), r.org())
	if err != nil {
		return fmt.Errorf("list connections: %w", err)
	}
	return writePage(w, r, all, func(c *carillon.Connection) string { return c.ID },
		func(c *carillon.Connection) (Connection, error) { return shownConnection(c), nil })
}

// connection reads the one that the path names.
func (s *server) connection(r *request) (*carillon.Connection, error) {
	id, err := r.pathID("id", "the connection")
	if err != nil {
		return nil, err
	}
	return s.store.Connection(r.Context(), r.org(), id)
}

func (s *server) getConnection(w http.ResponseWriter, r *request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, shownConnection(c))
}

// patchConnection merges the body (RFC 7396) into the connection as people wrote it, and checks the outcome whole.
func (s *server) patchConnection(w http.ResponseWriter, r *request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	patch, err := s.jsonBody(w, r, typeMergePatch, typeJSON)
	if err != nil {
		return err
	}
	if err := checkJSON(patch); err != nil {
		return err
	}
	current, err := jsonv2.Marshal(writableConnection(c))
	if err != nil {
		return fmt.Errorf("encode connection %s: %w", c.ID, err)
	}
	merged, err := mergePatch(current, patch)
	if err != nil {
		return err
	}
	in, err := decodeBytes[Connection](s, merged)
	if err != nil {
		return err
	}
	if in.Dialect != c.Dialect {
		return carillon.Invalid("/dialect", "cannot be changed; make another connection")
	}
	changed := *c
	if err := in.apply(&changed, c.Verify); err != nil {
		return err
	}
	if err := s.intake.Update(r.Context(), &changed); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, shownConnection(&changed))
}

func (s *server) deleteConnection(w http.ResponseWriter, r *request) error {
	id, err := r.pathID("id", "the connection")
	if err != nil {
		return err
	}
	if err := s.intake.Delete(r.Context(), r.org(), id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
