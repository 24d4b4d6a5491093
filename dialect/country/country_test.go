package country_test

import (
	"testing"

	"carillon/dialect/country"
)

func TestCountriesByCodeAndName(t *testing.T) {
	for text, want := range map[string]string{
		"GB": "GB", "gb": "GB", "UK": "GB", "GBR": "GB", "United Kingdom": "GB", " the united kingdom ": "GB", "England": "GB",
		"U.S.A.": "US", "United States of America (the)": "US", "us": "US", "Canada": "CA", "DEU": "DE", "Deutschland": "",
		"Cote d'Ivoire": "CI", "Côte d’Ivoire": "CI", "Trinidad & Tobago": "TT", "St Lucia": "LC", "Saint Lucia": "LC",
		"Korea, Republic of": "KR", "Viet Nam": "VN", "Kosovo": "XK", "XK": "XK", "Atlantis": "", "": "", "ZZ": "", "AN": "", "1": "",
	} {
		if code, ok := country.Code(text); code != want || ok != (want != "") {
			t.Errorf("Code(%q) = %q, %t, want %q", text, code, ok, want)
		}
	}
}

func TestEveryCodeHasAName(t *testing.T) {
	found := 0
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			code := string(a) + string(b)
			name, ok := country.Name(code)
			if !ok {
				continue
			}
			found++
			if back, _ := country.Code(name); back != code {
				t.Errorf("%s is %q, which is %q", code, name, back)
			}
		}
	}
	if found != 250 { // 249 of ISO 3166-1, and Kosovo
		t.Errorf("%d countries", found)
	}
	if name, ok := country.Name("gb"); ok {
		t.Errorf("gb is %s", name)
	}
}
