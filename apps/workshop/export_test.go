package workshop

// Ready counts the installations that are ready to run.
func (w *Workshop) Ready() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.shop)
}

// Arguments gives a payload with the parameters in it.
func Arguments(payload, iparams []byte) ([]byte, error) { return arguments(payload, iparams) }

// WithoutEmpty gives a value as the store of an app keeps it.
func WithoutEmpty(value []byte) []byte { return nullEmpty(value) }

// Masked takes a secret out of a text.
func Masked(text string, secret any) string {
	return maskOf(map[string]any{"secret": secret}, []string{"secret"}).text(text)
}
