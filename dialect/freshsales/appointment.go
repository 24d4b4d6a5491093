package freshsales

import "carillon"

// appointment is data.appointment of onAppointmentCreate and onAppointmentUpdate, in the order of the vendor's sample.
var appointment = newObject(carillon.KindAppointment, "appointment", "onAppointmentCreate", "onAppointmentUpdate",
	[]field{
		{"source_additional_info", plain, own(`{}`).onCreate()},
		{"targetable_id", plain, targetableID.quoted()},
		{"location", plain, text("location")},
		{"latitude", plain, number("latitude", null).quoted()},
		{"description", plain, text("description")},
		{"creator_id", plain, creator},
		{"targetable_type", plain, targetableType},
		{"is_deleted", plain, isDeleted},
		{"longitude", plain, number("longitude", null).quoted()},
		{"id", plain, id},
		{"is_allday", plain, boolean("allDay", `false`)},
		{"end_date", plain, moment("endAt")},
		{"outcome_id", plain, choice("outcome", "outcome")},
		{"created_at", plain, createdAt},
		{"from_date", plain, moment("startAt")},
		{"title", plain, text("title")},
		{"updated_at", plain, updatedAt},
		{"time_zone", plain, text("timeZone")},
		{"checkedin_at", plain, moment("checkedInAt")},
		{"updater_id", plain, updater},
	},
	[]association{
		{"targetable", targetableOf},
		{"outcome", choiceOf("outcome_id")},
		{"creator", creatorOf},
		{"appointment_attendees", attendees},
		{"updater", updaterOf},
	},
)
