package apps_test

import (
	"os"
	"strings"
	"testing"

	"carillon/apps"
)

func TestThePageNamesAllThatIsKnown(t *testing.T) {
	text, err := os.ReadFile("../docs/apps.md")
	if err != nil {
		t.Fatal(err)
	}
	names := append(apps.ProductEvents(), apps.OnAppInstall, apps.AfterAppUpdate, apps.OnAppUninstall, apps.OnExternalEvent, apps.OnScheduledEvent)
	for _, typ := range apps.IParamTypes() {
		names = append(names, string(typ))
	}
	for _, name := range names {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/apps.md does not name %s", name)
		}
	}
}
