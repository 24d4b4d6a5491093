exports = {
  onTaskCreated: async function (args) {
    const { task } = args.payload;

    if (task.priority === args.iparams.priority && task.dueDate) {
      await createCalendarEvent(task);
    }
    await syncToProjectManagement(task, args.iparams.project);
  }
};

// A delivery may come twice: what was done already is not done again.
async function createCalendarEvent(task) {
  const key = 'calendar:' + task.id; // keys have 60 characters at most
  try {
    await $db.get(key);
    console.info('task ' + task.id + ' is in the calendar already');
    return;
  } catch (error) {
    // not there yet
  }
  await $request.invokeTemplate('createCalendarEvent', {
    body: JSON.stringify({ title: task.title, date: task.dueDate, assignee: task.assignedUserId })
  });
  await $db.set(key, { date: task.dueDate });
  console.info('task ' + task.id + ' put into the calendar for ' + task.dueDate);
}

async function syncToProjectManagement(task, project) {
  await $request.invokeTemplate('syncToProjectManagement', {
    context: { id: encodeURIComponent(task.id) },
    body: JSON.stringify({
      project: project,
      title: task.title,
      description: task.description,
      status: task.status,
      due: task.dueDate
    })
  });
}
