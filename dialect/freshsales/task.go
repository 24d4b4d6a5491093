package freshsales

import "carillon"

// task is data.task of onTaskCreate and onTaskUpdate, in the order of the vendor's sample.
var task = newObject(carillon.KindTask, "task", "onTaskCreate", "onTaskUpdate",
	[]field{
		{"source_additional_info", plain, own(`{}`)},
		{"targetable_id", plain, targetableID},
		{"description", plain, text("description")},
		{"creator_id", plain, creator},
		{"owner_id", plain, user("assignedUserId")},
		{"targetable_type", plain, targetableType},
		{"is_deleted", plain, isDeleted},
		{"task_type_id", plain, choice("type", "task_type")},
		{"id", plain, id},
		{"status", plain, openOrCompleted},
		{"outcome_id", plain, own(null)},
		{"completed_date", plain, moment("completedAt")},
		{"due_date", plain, moment("dueDate")},
		{"created_at", plain, createdAt},
		{"title", plain, text("title")},
		{"updated_at", plain, updatedAt},
		{"updater_id", plain, updater},
	},
	[]association{
		{"targetable", targetableOf},
		{"task_type", choiceOf("task_type_id")},
		{"outcome", ownOf("outcome_id")},
		{"creator", creatorOf},
		{"owner", userOf("assignedUserId")},
		{"updater", updaterOf},
		{"task_users", taskUsers},
	},
)
