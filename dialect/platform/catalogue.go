package platform

import "carillon/dialect"

// Types lists the language.
func (d *Dialect) Types() []dialect.Type {
	var list []dialect.Type
	for _, v := range vocabularies {
		for _, name := range v.names() {
			list = append(list, dialect.Type{Name: name, Kind: v.kind})
		}
	}
	return list
}
