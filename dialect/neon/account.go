package neon

// The objects that data has one of.
const (
	objectIndividual   = "individualAccount"
	objectOrganization = "organizationAccount"
	objectDeleted      = "account"
)

// individualAccount is data.individualAccount, as in the samples "Create Individual Account" and "Edit Individual Account".
var individualAccount = newTable(
	row{"createdDateTime", createdAt},
	row{"createdBy", createdBy},
	row{"lastModifiedDateTime", modifiedAt},
	row{"lastModifiedBy", modifiedBy},
	row{"accountId", accountID},
	row{"primaryContact", object(individualContact)},
	row{"noSolicitation", vendors},
	row{"url", text("website")},
	row{"login", vendors},
	row{"customFieldDataList", customFields},
	row{"source", vendors},
	row{"individualTypes", vendors},
	row{"consentInformation", vendors},
)

// organizationAccount is data.organizationAccount, as in the samples "Create Organization Account" and "Edit Organization Account".
var organizationAccount = newTable(
	row{"createdDateTime", createdAt},
	row{"createdBy", createdBy},
	row{"lastModifiedDateTime", modifiedAt},
	row{"lastModifiedBy", modifiedBy},
	row{"accountId", accountID},
	row{"primaryContact", object(organizationContact)},
	row{"noSolicitation", vendors},
	row{"url", text("website")},
	row{"customFieldDataList", customFields},
	row{"source", vendors},
	row{"organizationName", text("name")},
	row{"organizationTypes", vendors},
	row{"consentInformation", vendors},
)

// deletedAccount is data.account, as in the sample "Delete Account".
var deletedAccount = newTable(
	row{"accountId", accountID},
	row{"deletedDateTime", deletedAt},
	row{"deletedBy", deletedBy},
)
