const { segmentsOf } = require('./lib/segments');

exports = {
  // One handler serves both events: an update carries the contact as it was, too.
  onContact: async function (args) {
    const { customerContact, previousCustomerContact } = args.payload;
    await syncToCRM(customerContact);
    await updateMarketingSegmentation(customerContact, previousCustomerContact);
  }
};

async function syncToCRM(contact) {
  await $request.invokeTemplate('syncToCRM', {
    context: { id: encodeURIComponent(contact.id) },
    body: JSON.stringify({
      type: 'contact',
      id: contact.id,
      email: contact.email,
      name: (contact.firstName + ' ' + contact.lastName).trim(),
      accountId: contact.accountId
    })
  });
  console.info('contact ' + contact.id + ' written to the CRM');
}

async function updateMarketingSegmentation(contact, previous) {
  const wanted = segmentsOf(contact);
  const had = previous ? segmentsOf(previous) : [];
  for (const segment of wanted.filter((name) => !had.includes(name))) {
    await change('joinSegment', segment, contact);
  }
  for (const segment of had.filter((name) => !wanted.includes(name))) {
    await change('leaveSegment', segment, contact);
  }
}

async function change(template, segment, contact) {
  await $request.invokeTemplate(template, {
    context: { segment: encodeURIComponent(segment), id: encodeURIComponent(contact.id) }
  });
  console.info(template + ' ' + segment + ': ' + contact.id);
}
