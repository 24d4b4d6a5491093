exports = {
  // Refuses an installation in which no change could ever matter.
  onInstall: function (args) {
    if (args.iparams.atRisk === args.iparams.healthy) {
      renderData({ message: 'Choose two different health values' });
      return;
    }
    renderData();
  },

  onHealthChanged: async function (args) {
    const { account, previousAccount } = args.payload;
    const { atRisk, healthy } = args.iparams;

    if (account.health === atRisk && previousAccount.health !== atRisk) {
      await $db.set(keyOf(account), { since: args.timestamp });
      await triggerAccountReview(account);
      await notifyAccountManager(account, previousAccount);
    } else if (account.health === healthy && previousAccount.health === atRisk) {
      await logAccountRecovery(account, args.timestamp);
    }
  }
};

async function triggerAccountReview(account) {
  await $request.invokeTemplate('triggerAccountReview', {
    context: { accountId: encodeURIComponent(account.id) },
    body: JSON.stringify({ name: account.name, health: account.health })
  });
  console.info('review of ' + account.name + ' asked for');
}

async function notifyAccountManager(account, previousAccount) {
  await $request.invokeTemplate('notifyAccountManager', {
    body: JSON.stringify({
      accountId: account.id,
      text: account.name + ' went from ' + previousAccount.health + ' to ' + account.health
    })
  });
}

async function logAccountRecovery(account, timestamp) {
  let since;
  try {
    since = (await $db.get(keyOf(account))).since;
    await $db.delete(keyOf(account));
  } catch (error) {
    console.info(account.name + ' recovered; it turned bad before this app was installed');
    return;
  }
  const hours = Math.round((Date.parse(timestamp) - Date.parse(since)) / 3600000);
  console.info(account.name + ' recovered after ' + hours + ' h');
}

// Keys of $db have 60 characters at most, so this is for ids of up to 55.
function keyOf(account) {
  return 'risk:' + account.id;
}
