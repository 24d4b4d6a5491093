// Package country tells which country a text means, since one vendor writes codes and another names.
//
// A code or a name in English enters; an ISO 3166-1 alpha-2 code, or its English name, leaves. It owns one list,
// countries.txt.
package country
