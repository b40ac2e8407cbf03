"""A window of Qt's browser with an empty page."""

import sys

from PyQt5.QtCore import QUrl
from PyQt5.QtWebEngineWidgets import QWebEngineView
from PyQt5.QtWidgets import QApplication

application = QApplication(sys.argv)
view = QWebEngineView()
view.resize(int(sys.argv[1]), int(sys.argv[2]))
view.load(QUrl("about:blank"))
view.show()
view.activateWindow()
view.setFocus()
application.exec_()
