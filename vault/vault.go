package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/secretdata"
	"github.com/tink-crypto/tink-go/v2/tink"

	"carillon"
)

// keySize is that of AES-256, in bytes.
const keySize = 32

// maxKeysetSize bounds a keyset file, in bytes: hundreds of keys.
const maxKeysetSize = 64 << 10

// Vault seals and opens secrets. It is safe for concurrent use.
type Vault struct {
	aead tink.AEAD
}

// Open reads the keyset file at path (Tink's JSON, in the clear), or creates one with a fresh key, readable by its owner
// only. Processes that create it at the same moment end up with the same key.
func Open(path string) (*Vault, error) {
	text, err := readKeyset(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := createKeyset(path); err != nil {
			return nil, fmt.Errorf("create keyset %s: %w", path, err)
		}
		text, err = readKeyset(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read keyset %s: %w", path, err)
	}
	v, err := fromKeyset(text)
	if err != nil {
		return nil, &carillon.Error{
			Code:    carillon.CodeInternal,
			Message: "keyset " + path + " is not readable",
			Hint:    "put back the file as it was when the data directory was last used; without it the sealed secrets are lost",
			Err:     err,
		}
	}
	return v, nil
}

// FromKey makes a vault from a key handed over in text, so that several nodes can share it: base64 (standard or URL
// alphabet, padded or not) of 32 random bytes, or of a keyset file's content. Fails with invalid.
func FromKey(text string) (*Vault, error) {
	invalid := func(reason string) error {
		return &carillon.Error{
			Code:    carillon.CodeInvalid,
			Message: "the vault key is not valid: " + reason,
			Hint:    "make one with: head -c 32 /dev/urandom | base64",
		}
	}
	text = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimSpace(text)), "=")
	raw, err := base64.RawStdEncoding.DecodeString(text)
	switch {
	case err != nil:
		return nil, invalid("it is not base64")
	case len(raw) == keySize:
		return fromBytes(raw)
	case len(raw) > 0 && raw[0] == '{' && len(raw) <= maxKeysetSize:
		v, err := fromKeyset(raw)
		if err != nil {
			return nil, invalid("it is not a keyset")
		}
		return v, nil
	default:
		return nil, invalid(fmt.Sprintf("it has %d bytes, not %d", len(raw), keySize))
	}
}

// Seal encrypts plaintext for the place that associated names; the same must be given to Open.
func (v *Vault) Seal(plaintext, associated []byte) ([]byte, error) {
	sealed, err := v.aead.Encrypt(plaintext, associated)
	if err != nil {
		return nil, fmt.Errorf("seal secret: %w", err)
	}
	return sealed, nil
}

// Open decrypts what Seal made. It fails if the key is another, or if sealed or associated are not what they were.
func (v *Vault) Open(sealed, associated []byte) ([]byte, error) {
	plaintext, err := v.aead.Decrypt(sealed, associated)
	if err != nil {
		return nil, &carillon.Error{
			Code:    carillon.CodeInternal,
			Message: "a sealed secret cannot be opened with this key",
			Hint:    "start with the vault key (environment) or the keyset file (data directory) that the archive was written with",
			Err:     err,
		}
	}
	return plaintext, nil
}

// fromBytes makes a keyset of one key. Its id, which Tink puts in front of all that is sealed, is derived from
// the key, so that every node derives the same.
func fromBytes(key []byte) (*Vault, error) {
	parameters, err := aesgcm.NewParameters(aesgcm.ParametersOpts{
		KeySizeInBytes: keySize, IVSizeInBytes: 12, TagSizeInBytes: 16, Variant: aesgcm.VariantTink,
	})
	if err != nil {
		return nil, fmt.Errorf("describe vault key: %w", err)
	}
	digest := sha256.Sum256(key)
	id := binary.BigEndian.Uint32(digest[:]) | 1
	k, err := aesgcm.NewKey(secretdata.NewBytesFromData(key, insecuresecretdataaccess.Token{}), id, parameters)
	if err != nil {
		return nil, fmt.Errorf("make vault key: %w", err)
	}
	manager := keyset.NewManager()
	if _, err := manager.AddKey(k); err != nil {
		return nil, fmt.Errorf("make keyset: %w", err)
	}
	if err := manager.SetPrimary(id); err != nil {
		return nil, fmt.Errorf("make keyset: %w", err)
	}
	handle, err := manager.Handle()
	if err != nil {
		return nil, fmt.Errorf("make keyset: %w", err)
	}
	return fromHandle(handle)
}

func fromKeyset(text []byte) (*Vault, error) {
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(text)))
	if err != nil {
		return nil, fmt.Errorf("parse keyset: %w", err)
	}
	return fromHandle(handle)
}

func fromHandle(handle *keyset.Handle) (*Vault, error) {
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("use keyset: %w", err)
	}
	return &Vault{aead: primitive}, nil
}

func readKeyset(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxKeysetSize {
		return nil, fmt.Errorf("it has %d bytes, more than %d", info.Size(), maxKeysetSize)
	}
	return os.ReadFile(path)
}

// createKeyset writes a keyset beside path and links it there: whoever comes second finds the first one's whole file.
func createKeyset(path string) error {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	var text bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&text)); err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".keyset-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // by then it is linked, or of no use
	_, err = f.Write(text.Bytes())
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a new name in a directory durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
