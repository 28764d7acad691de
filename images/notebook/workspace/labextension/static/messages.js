/* What the person reads, in English and Chinese. A toast of Lab shows 140 characters: `short` fits, `details` follows. */

const GIB = 2 ** 30;

const oneDecimal = number => String(Math.round(number * 10) / 10);

/* Bytes as people write them: "1.5 GiB", "200 MiB". */
export function formatSize(bytes) {
  const [unit, size] = [['TiB', 2 ** 40], ['GiB', GIB], ['MiB', 2 ** 20], ['KiB', 1024]].find(row => bytes >= row[1]) ?? [
    'B', 1
  ];
  return `${oneDecimal(bytes / size)} ${unit}`;
}

/* "1.2 / 8 GiB", in one unit so that the two can be compared at a glance. */
function memoryOf(limit, used) {
  return limit === null ? formatSize(used) : `${oneDecimal(used / GIB)} / ${oneDecimal(limit / GIB)} GiB`;
}

const COMMANDS = 'du -xh -d 1 ~ | sort -h\nrm -r ~/FOLDER\nrm -rf ~/.local/share/Trash';

export const en = {
  more: 'Details',
  title: 'Your workspace',
  memory: (used, limit) => `Memory ${memoryOf(limit, used)}`,
  memoryHint: 'Memory in use by all kernels and terminals of this workspace. A program that goes over the limit is stopped.',
  home: used => `Home ${formatSize(used)}`,
  homeHint: (used, free, total) =>
    `${used === null ? '' : `Your files take ${formatSize(used)}. `}The disk that holds them has ${formatSize(free)} of ${formatSize(total)} free.`,
  homeFull: 'Home is full',
  oom: limit => ({
    short:
      limit === null
        ? 'A program in your workspace was stopped because the memory ran out.'
        : `A program in your workspace was stopped because it reached the memory limit of ${formatSize(limit)}.`,
    details:
      'If it was a notebook’s kernel, its variables are gone; saved files are still there.\n\n' +
      'What helps: load less data at once, use smaller batches, shut down kernels that you do not need ' +
      '(menu Kernel → Shut Down All Kernels…), or stop the server and choose a larger workspace.'
  }),
  full: () => ({
    short: 'Your home is full: nothing more can be saved. Remove files that you no longer need.',
    details:
      'Open a terminal (menu File → New → Terminal): the file browser moves what you delete to a trash folder in your ' +
      'home, and that needs space too. These lines show what takes the space, remove a folder, and empty the trash:\n\n' +
      COMMANDS
  }),
  nearlyFull: (free, total) => ({
    short: `The disk that holds your home is ${percent(free, total)} % full; ${formatSize(free)} are free. Please remove files that you no longer need.`,
    details:
      'When it is full, nothing more can be saved. In a terminal (menu File → New → Terminal) these lines show what takes ' +
      'the space, remove a folder, and empty the trash:\n\n' +
      COMMANDS
  })
};

export const zh = {
  more: '详情',
  title: '您的工作区',
  memory: (used, limit) => `内存 ${memoryOf(limit, used)}`,
  memoryHint: '此工作区中所有内核和终端使用的内存。超出上限的程序会被终止。',
  home: used => `主目录 ${formatSize(used)}`,
  homeHint: (used, free, total) =>
    `${used === null ? '' : `您的文件占用 ${formatSize(used)}。`}所在磁盘共 ${formatSize(total)}，剩余 ${formatSize(free)}。`,
  homeFull: '主目录已满',
  oom: limit => ({
    short:
      limit === null
        ? '工作区中的一个程序因内存耗尽而被终止。'
        : `工作区中的一个程序因达到 ${formatSize(limit)} 的内存上限而被终止。`,
    details:
      '如果它是某个笔记本的内核，其中的变量已经丢失；已保存的文件仍在。\n\n' +
      '可以尝试：一次少加载一些数据，减小批量大小，停止服务器并选择更大的工作区，' +
      '或关闭不需要的内核（菜单 Kernel / 内核 → Shut Down All Kernels… / 关闭所有内核…）。'
  }),
  full: () => ({
    short: '您的主目录已满，无法再保存任何内容。请删除不再需要的文件。',
    details:
      '请打开终端（菜单 File / 文件 → New / 新建 → Terminal / 终端）：在文件浏览器中删除的文件会先移到主目录的回收站，这同样需要空间。' +
      '以下命令分别用于查看占用空间的内容、删除文件夹、清空回收站：\n\n' +
      COMMANDS
  }),
  nearlyFull: (free, total) => ({
    short: `主目录所在的磁盘已使用 ${percent(free, total)} %，剩余 ${formatSize(free)}。请删除不再需要的文件。`,
    details:
      '磁盘写满后将无法再保存任何内容。在终端（菜单 File / 文件 → New / 新建 → Terminal / 终端）中，以下命令分别用于查看占用空间的内容、' +
      '删除文件夹、清空回收站：\n\n' +
      COMMANDS
  })
};

function percent(free, total) {
  return Math.floor((100 * (total - free)) / total);
}
