package ledger

import (
	"bytes"
	"fmt"

	"carillon"
)

// table is a kind's field table, prepared for splicing records and finding their members by number.
type table struct {
	kind   carillon.Kind
	fields []carillon.Field
	// keys are the members' beginnings in a record: `"name":`.
	keys [][]byte
	// refs are the numbers of the fields whose ids must exist.
	refs []int
	// Numbers of the members the ledger sets itself or treats apart; −1 where the kind has none.
	id, module, account, custom, metadata, created, updated int
	entityType, entityID                                    int
}

var tables = func() map[carillon.Kind]*table {
	all := make(map[carillon.Kind]*table, len(carillon.Kinds))
	for _, kind := range carillon.Kinds {
		t := &table{kind: kind, fields: carillon.Fields(kind)}
		for i, f := range t.fields {
			t.keys = append(t.keys, fmt.Appendf(nil, "%q:", f.Name))
			if (f.Type == carillon.TypeRef || f.Type == carillon.TypeRefs) && f.OnDelete != carillon.OnDeleteIgnore {
				t.refs = append(t.refs, i)
			}
		}
		number := func(name string) int {
			if i, ok := carillon.FieldNumber(kind, name); ok {
				return i
			}
			return -1
		}
		t.id, t.module, t.account, t.custom = number("id"), number("module"), number("accountId"), number("customFields")
		t.metadata, t.created, t.updated = number("metadata"), number("createdAt"), number("updatedAt")
		t.entityType, t.entityID = number("entityType"), number("entityId")
		if kind == carillon.KindRelationship {
			t.account = number("parentAccountId")
		}
		all[kind] = t
	}
	return all
}()

// referable are the kinds that other records refer to, so that deleting one asks who does.
var referable = func() map[carillon.Kind]bool {
	kinds := map[carillon.Kind]bool{}
	for _, t := range tables {
		if t.kind.Commentable() {
			kinds[t.kind] = true
		}
		for _, i := range t.refs {
			kinds[t.fields[i].Ref] = true
		}
	}
	return kinds
}()

// onDelete says what the deletion of a record does to one that refers to it through the member.
func (t *table) onDelete(member string) carillon.OnDelete {
	if t.entityID >= 0 && member == t.fields[t.entityID].Name {
		return carillon.OnDeleteCascade // comments go with what they are about
	}
	i, ok := carillon.FieldNumber(t.kind, member)
	if !ok {
		return carillon.OnDeleteIgnore
	}
	return t.fields[i].OnDelete
}

// members are a record's values by field number, canonical JSON each; nil where unset. The bytes are never changed.
type members [][]byte

// split finds the members of a stored record.
func (t *table) split(data []byte) (members, error) {
	m := make(members, len(t.fields))
	next := 0
	for i := 1; i < len(data) && data[i] != '}'; {
		if data[i] == ',' {
			i++
		}
		n := next
		for n < len(t.keys) && !bytes.HasPrefix(data[i:], t.keys[n]) {
			n++
		}
		if n == len(t.keys) {
			// Not in the order of today's table: written before a field moved, or of a field that is no more.
			name := string(data[i+1 : skipString(data, i)-1])
			var ok bool
			if n, ok = carillon.FieldNumber(t.kind, name); !ok {
				return nil, fmt.Errorf("read stored %s: no field is called %q", t.kind, name)
			}
		}
		i += len(t.keys[n])
		end := skipValue(data, i)
		m[n] = data[i:end:end]
		i, next = end, n+1
	}
	return m, nil
}

// splice writes the members as one record.
func (t *table) splice(m members) []byte {
	size := 2
	for i, value := range m {
		if value != nil {
			size += len(t.keys[i]) + len(value) + 1
		}
	}
	data := append(make([]byte, 0, size), '{')
	for i, value := range m {
		if value == nil {
			continue
		}
		if len(data) > 1 {
			data = append(data, ',')
		}
		data = append(append(data, t.keys[i]...), value...)
	}
	return append(data, '}')
}
