// The marketing segments of a contact: by its type, and by the languages that it speaks.
exports = {
  segmentsOf: function (contact) {
    const segments = [];
    if (contact.type) {
      segments.push('type-' + contact.type.toLowerCase());
    }
    const languages = (contact.customFields && contact.customFields.language) || [];
    for (const language of languages) {
      segments.push('language-' + language);
    }
    return segments;
  }
};
