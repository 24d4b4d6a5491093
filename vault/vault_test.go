package vault_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"carillon"
	"carillon/vault"
)

func mustSeal(t *testing.T, v *vault.Vault, plaintext, associated string) []byte {
	t.Helper()
	sealed, err := v.Seal([]byte(plaintext), []byte(associated))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func wantOpen(t *testing.T, v *vault.Vault, sealed []byte, associated, want string) {
	t.Helper()
	got, err := v.Open(sealed, []byte(associated))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Fatalf("opened %q, want %q", got, want)
	}
}

func TestWhatIsSealedOpensAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyset.json")
	first, err := vault.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	sealed := mustSeal(t, first, "whsec_1", "here")
	if bytes.Contains(sealed, []byte("whsec_1")) {
		t.Fatal("the sealed bytes show the secret")
	}
	again, err := vault.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	wantOpen(t, again, sealed, "here", "whsec_1")
}

func TestKeysetFileIsForItsOwnerOnly(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keyset.json")
	if _, err := vault.Open(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode %o, want 600", got)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Errorf("%d files in the directory, want the keyset alone", len(entries))
	}
}

func TestThoseWhoCreateTheKeysetAtOnceShareIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyset.json")
	vaults := make([]*vault.Vault, 16)
	var wg sync.WaitGroup
	for i := range vaults {
		wg.Go(func() {
			v, err := vault.Open(path)
			if err != nil {
				t.Error(err)
			}
			vaults[i] = v
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	sealed := mustSeal(t, vaults[0], "s", "a")
	for _, v := range vaults {
		wantOpen(t, v, sealed, "a", "s")
	}
}

func TestSealedSecretsOpenOnlyWithTheirKeyAndAtTheirPlace(t *testing.T) {
	v, err := vault.Open(filepath.Join(t.TempDir(), "keyset.json"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := vault.Open(filepath.Join(t.TempDir(), "keyset.json"))
	if err != nil {
		t.Fatal(err)
	}
	sealed := mustSeal(t, v, "secret", "org/sub_1")
	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for name, try := range map[string]func() ([]byte, error){
		"another key":     func() ([]byte, error) { return other.Open(sealed, []byte("org/sub_1")) },
		"another place":   func() ([]byte, error) { return v.Open(sealed, []byte("org/sub_2")) },
		"changed bytes":   func() ([]byte, error) { return v.Open(changed, []byte("org/sub_1")) },
		"truncated bytes": func() ([]byte, error) { return v.Open(sealed[:3], []byte("org/sub_1")) },
		"nothing":         func() ([]byte, error) { return v.Open(nil, []byte("org/sub_1")) },
	} {
		t.Run(name, func(t *testing.T) {
			got, err := try()
			if err == nil {
				t.Fatalf("opened as %q", got)
			}
			var e *carillon.Error
			if !errors.As(err, &e) || e.Hint == "" {
				t.Errorf("error %v has no hint", err)
			}
		})
	}
}

func TestNodesWithTheSameKeyShareSecrets(t *testing.T) {
	raw := bytes.Repeat([]byte{0xfb, 7}, 16)
	one, err := vault.FromKey(base64.StdEncoding.EncodeToString(raw))
	if err != nil {
		t.Fatal(err)
	}
	sealed := mustSeal(t, one, "s", "a")
	for name, text := range map[string]string{
		"URL alphabet": base64.URLEncoding.EncodeToString(raw),
		"no padding":   base64.RawStdEncoding.EncodeToString(raw),
		"white space":  " " + base64.StdEncoding.EncodeToString(raw) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			v, err := vault.FromKey(text)
			if err != nil {
				t.Fatal(err)
			}
			wantOpen(t, v, sealed, "a", "s")
		})
	}
}

func TestAKeysetFileCanBeHandedOverAsText(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyset.json")
	file, err := vault.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := vault.FromKey(base64.StdEncoding.EncodeToString(content))
	if err != nil {
		t.Fatal(err)
	}
	wantOpen(t, text, mustSeal(t, file, "s", "a"), "a", "s")
}

func TestWhatIsNoKeyIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"empty":       "",
		"not base64":  "it's no key",
		"too short":   base64.StdEncoding.EncodeToString(make([]byte, 16)),
		"too long":    base64.StdEncoding.EncodeToString(make([]byte, 33)),
		"no keyset":   base64.StdEncoding.EncodeToString([]byte("{}")),
		"huge keyset": base64.StdEncoding.EncodeToString([]byte("{" + strings.Repeat(" ", 1<<20))),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := vault.FromKey(text)
			if carillon.ErrorCode(err) != carillon.CodeInvalid {
				t.Errorf("error %v, want invalid", err)
			}
		})
	}
}

func TestADamagedKeysetFileIsRefusedAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyset.json")
	if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := vault.Open(path)
	var e *carillon.Error
	if !errors.As(err, &e) || e.Hint == "" {
		t.Errorf("error %v has no hint", err)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "garbage" {
		t.Errorf("the file is now %q, %v", content, err)
	}
}
