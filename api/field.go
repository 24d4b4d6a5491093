package api

import (
	"fmt"
	"net/http"
	"slices"

	"carillon"
)

// CustomField is a custom field as people define it.
type CustomField struct {
	UID     string   `json:"uid" minLength:"1" maxLength:"64" doc:"names the field in customFields: letters, digits and - _ . : @ + = ~"`
	Label   string   `json:"label" minLength:"1" maxLength:"255"`
	Type    string   `json:"type" enum:"text,paragraph,number,decimal,dropdown,radio,checkbox,multi_select_dropdown,date,date_time"`
	Options []string `json:"options,omitzero" nullable:"false" maxItems:"1000" doc:"the values allowed; empty means any"`
}

// ValueList is the editable list of values suggested for a standard field.
type ValueList struct {
	Name   string   `json:"name,omitempty" readOnly:"true"`
	Values []string `json:"values" nullable:"false" maxItems:"1000"`
}

// StandardField is a line of a kind's field table.
type StandardField struct {
	Name      string             `json:"name"`
	Label     string             `json:"label"`
	Type      carillon.FieldType `json:"type"`
	Required  bool               `json:"required"`
	ReadOnly  bool               `json:"readOnly"`
	MaxLength int                `json:"maxLength,omitzero"`
	ValueList string             `json:"valueList,omitzero"`
	Ref       carillon.Kind      `json:"ref,omitzero"`
	Members   []StandardField    `json:"members,omitzero" nullable:"false"`
}

// KindFields is all that describes the members of a kind: the org's own fields, the standard ones, and the value lists.
type KindFields struct {
	Items      []CustomField       `json:"items" nullable:"false"`
	Next       *string             `json:"next"`
	Standard   []StandardField     `json:"standard" nullable:"false"`
	ValueLists map[string][]string `json:"valueLists"`
}

// pathKind reads a kind from the path, in the singular or as record routes write it.
func pathKind(r *request) (carillon.Kind, error) {
	kind, ok := kindNamed(r.PathValue("kind"))
	if !ok {
		return "", &carillon.Error{
			Code: carillon.CodeNotFound, Message: "there is no such kind of record",
			Faults: []carillon.Fault{{Member: "kind", Reason: "is not a kind"}},
		}
	}
	return kind, nil
}

// kindNamed finds a kind by its name ("activity") or its plural ("activities").
func kindNamed(name string) (carillon.Kind, bool) {
	for _, kind := range carillon.Kinds {
		if name == string(kind) || name == kind.Plural() {
			return kind, true
		}
	}
	return "", false
}

// valueListNames are the value lists that a kind's field table names.
func valueListNames(kind carillon.Kind) []string {
	var names []string
	for _, f := range carillon.Fields(kind) {
		if f.ValueList != "" && !slices.Contains(names, f.ValueList) {
			names = append(names, f.ValueList)
		}
	}
	return names
}

func (s *server) listFields(w http.ResponseWriter, r *request) error {
	kind, err := pathKind(r)
	if err != nil {
		return err
	}
	defined, err := s.store.CustomFields(r.Context(), r.org(), kind)
	if err != nil {
		return fmt.Errorf("list custom fields: %w", err)
	}
	answer := KindFields{Items: []CustomField{}, Standard: standardFields(carillon.Fields(kind)), ValueLists: map[string][]string{}}
	for _, f := range defined {
		answer.Items = append(answer.Items, customFieldOf(f))
	}
	for _, name := range valueListNames(kind) {
		answer.ValueLists[name] = append([]string{}, carillon.ValueLists[name]...)
	}
	edited, err := s.store.ValueLists(r.Context(), r.org())
	if err != nil {
		return fmt.Errorf("list value lists: %w", err)
	}
	for _, l := range edited {
		if _, ok := answer.ValueLists[l.Name]; ok {
			answer.ValueLists[l.Name] = append([]string{}, l.Values...)
		}
	}
	return writeJSON(w, http.StatusOK, answer)
}

func standardFields(table []carillon.Field) []StandardField {
	fields := make([]StandardField, len(table))
	for i, f := range table {
		fields[i] = StandardField{
			Name: f.Name, Label: f.Label, Type: f.Type, Required: f.Required, ReadOnly: f.ReadOnly,
			ValueList: f.ValueList, Ref: f.Ref,
		}
		switch f.Type {
		case carillon.TypeString, carillon.TypeText, carillon.TypeEmail, carillon.TypeURL, carillon.TypePhone:
			fields[i].MaxLength = f.Limit()
		}
		if f.Members != nil {
			fields[i].Members = standardFields(f.Members)
		}
	}
	return fields
}

func customFieldOf(f *carillon.CustomField) CustomField {
	return CustomField{UID: f.UID, Label: f.Label, Type: string(f.Type), Options: f.Options}
}

func (f CustomField) of(org string, kind carillon.Kind) *carillon.CustomField {
	return &carillon.CustomField{
		Org: org, Kind: kind, UID: f.UID, Label: f.Label, Type: carillon.CustomFieldType(f.Type), Options: f.Options,
	}
}

// customField finds one definition.
func (s *server) customField(r *request, kind carillon.Kind, uid string) (*carillon.CustomField, error) {
	defined, err := s.store.CustomFields(r.Context(), r.org(), kind)
	if err != nil {
		return nil, fmt.Errorf("read custom fields: %w", err)
	}
	for _, f := range defined {
		if f.UID == uid {
			return f, nil
		}
	}
	return nil, carillon.NotFound(string(kind)+" field", uid)
}

// fieldPath reads which field or value list of which kind the path names.
func fieldPath(r *request) (kind carillon.Kind, uid string, isList bool, err error) {
	if kind, err = pathKind(r); err != nil {
		return "", "", false, err
	}
	if uid, err = r.pathID("uid", "the field"); err != nil {
		return "", "", false, err
	}
	return kind, uid, slices.Contains(valueListNames(kind), uid), nil
}

func (s *server) getField(w http.ResponseWriter, r *request) error {
	kind, uid, isList, err := fieldPath(r)
	if err != nil {
		return err
	}
	if !isList {
		f, err := s.customField(r, kind, uid)
		if err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, customFieldOf(f))
	}
	list := ValueList{Name: uid, Values: append([]string{}, carillon.ValueLists[uid]...)}
	edited, err := s.store.ValueLists(r.Context(), r.org())
	if err != nil {
		return fmt.Errorf("read value lists: %w", err)
	}
	for _, l := range edited {
		if l.Name == uid {
			list.Values = append([]string{}, l.Values...)
		}
	}
	return writeJSON(w, http.StatusOK, list)
}

func (s *server) createField(w http.ResponseWriter, r *request) error {
	kind, err := pathKind(r)
	if err != nil {
		return err
	}
	field, err := decode[CustomField](s, w, r)
	if err != nil {
		return err
	}
	if err := s.notListName(kind, field.UID); err != nil {
		return err
	}
	if _, err := s.customField(r, kind, field.UID); err == nil {
		return carillon.Conflict(string(kind) + " field " + field.UID + " exists already")
	} else if !carillon.IsNotFound(err) {
		return err
	}
	if _, err := s.ledger.DefineField(r.Context(), field.of(r.org(), kind)); err != nil {
		return err
	}
	w.Header().Set("Location", "/v1/fields/"+string(kind)+"/"+field.UID)
	return writeJSON(w, http.StatusCreated, field)
}

// notListName keeps the uids of custom fields apart from the names of value lists, which share their room.
func (s *server) notListName(kind carillon.Kind, uid string) error {
	if slices.Contains(valueListNames(kind), uid) {
		return carillon.Invalid("/uid", "is the name of a value list")
	}
	return nil
}

// putField defines or redefines a custom field, or replaces a value list.
func (s *server) putField(w http.ResponseWriter, r *request) error {
	kind, uid, isList, err := fieldPath(r)
	if err != nil {
		return err
	}
	if isList {
		list, err := decode[ValueList](s, w, r)
		if err != nil {
			return err
		}
		list.Name = uid
		if _, err := s.ledger.SetValueList(r.Context(), &carillon.ValueList{Org: r.org(), Name: uid, Values: list.Values}); err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, list) // the built-in one stood here before, so never 201
	}
	field, err := decode[CustomField](s, w, r)
	if err != nil {
		return err
	}
	if field.UID != uid {
		return carillon.Invalid("/uid", "differs from the uid in the path")
	}
	created, err := s.ledger.DefineField(r.Context(), field.of(r.org(), kind))
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
		w.Header().Set("Location", "/v1/fields/"+string(kind)+"/"+uid)
	}
	return writeJSON(w, status, field)
}

// deleteField removes a custom field's definition, or gives a value list its built-in values back.
func (s *server) deleteField(w http.ResponseWriter, r *request) error {
	kind, uid, isList, err := fieldPath(r)
	if err != nil {
		return err
	}
	if isList {
		err = s.ledger.RemoveValueList(r.Context(), r.org(), uid)
	} else {
		err = s.ledger.RemoveField(r.Context(), r.org(), kind, uid)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
