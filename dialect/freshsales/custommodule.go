package freshsales

import "carillon"

// customModuleRecord is data.custom_module_record of onCustomModuleCreate and onCustomModuleUpdate, in the order of the vendor's sample.
var customModuleRecord = newObject(carillon.KindCustom, "custom_module_record", "onCustomModuleCreate", "onCustomModuleUpdate",
	[]field{
		{"name", typed("Name", "text"), text("name")},
		{"custom_fields", plain, customFields},
		{"creator_id", typed("Created by", "auto_complete"), creator.withModel()},
		{"owner_id", typed("Sales owner", "auto_complete"), user("ownerId").withModel()},
		{"is_deleted", plain, isDeleted},
		{"id", plain, id},
		{"status", plain, statusNumber},
		{"created_at", typed("Created at", "date_time"), createdAt},
		{"import_id", plain, own(null)},
		{"recent_note", typed("Recent note", "paragraph"), own(null)},
		{"updated_at", typed("Updated at", "date_time"), updatedAt},
		{"updater_id", typed("Updated by", "auto_complete"), updater.withModel()},
		{"module_name", plain, text("module")},
	},
	[]association{
		{"owner", userOf("ownerId")},
		{"updater", updaterOf},
		{"creator", creatorOf},
	},
)
